//! The headers of a stored message, as one block of bytes.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The memory for the headers of a request. Nearly all requests have fewer bytes.
const USUAL: usize = 1024;

/// The headers of a message: `name: value` in each line, with CR LF at its end, as HTTP/1.1 writes them. Names are in
/// lower case, and one with several values has several lines.
///
/// One block of bytes takes much less memory than a [`HeaderMap`], it is stored in one column, and clones share it.
///
/// ```
/// use countersign_inbox::Headers;
/// use http::{HeaderMap, HeaderValue, header};
///
/// let map = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
/// let headers = Headers::from(&map);
/// assert_eq!(headers.as_bytes(), b"content-type: application/json\r\n");
/// assert_eq!(headers.get("Content-Type"), Some(&b"application/json"[..]));
/// assert_eq!(headers.to_map(), map);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Bytes);

/// Stored headers cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the stored headers is not `name: value`")]
pub struct HeadersError {
    /// The line, starting at 1.
    pub line: usize,
}

impl Headers {
    /// The headers in a block of bytes, which [`as_bytes`](Self::as_bytes) has returned.
    ///
    /// # Errors
    ///
    /// Names the first line that is not a header.
    pub fn parse(block: impl Into<Bytes>) -> Result<Self, HeadersError> {
        let block = block.into();
        let mut rest = &block[..];
        let mut line = 0;
        while !rest.is_empty() {
            line += 1;
            let valid = split(rest).filter(|(name, value, _)| is_name(name) && is_value(value));
            (_, _, rest) = valid.ok_or(HeadersError { line })?;
        }
        Ok(Self(block))
    }

    /// The block of bytes, for inboxes that store it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (name, value, after) = split(rest)?;
            rest = after;
            Some((str::from_utf8(name).ok()?, value))
        })
    }

    /// The values of a header, whose name is in any letter case.
    pub fn get_all(&self, name: impl AsRef<str>) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |(found, _)| name.as_ref().eq_ignore_ascii_case(found)).map(|(_, value)| value)
    }

    /// The first value of a header, whose name is in any letter case.
    pub fn get(&self, name: impl AsRef<str>) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The same headers in a map.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.iter() {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
                map.append(name, value);
            }
        }
        map
    }
}

impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        let mut headers = HeadersWriter::new();
        for (name, value) in map {
            headers.put(name.as_str(), value.as_bytes());
        }
        headers.finish()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: I) -> Self {
        let mut writer = HeadersWriter::new();
        for (name, value) in headers {
            writer.put(name.as_str(), value.as_bytes());
        }
        writer.finish()
    }
}

/// Without the values, which may be secret.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Writes the headers of a message, one after the other.
///
/// ```
/// use countersign_inbox::HeadersWriter;
///
/// let mut headers = HeadersWriter::new();
/// assert!(headers.put("x-tag", b"one"));
/// assert!(!headers.put("x-tag", b"two\r\nx-forged: 1"));
/// assert_eq!(headers.finish().as_bytes(), b"x-tag: one\r\n");
/// ```
#[derive(Debug)]
pub struct HeadersWriter(Vec<u8>);

impl HeadersWriter {
    /// Starts without headers.
    #[must_use]
    pub fn new() -> Self {
        Self(Vec::with_capacity(USUAL))
    }

    /// Adds a header. Returns `false`, and adds nothing, if it is not one that HTTP allows, or if its name is not in lower
    /// case.
    pub fn put(&mut self, name: &str, value: &[u8]) -> bool {
        let is_valid = is_name(name.as_bytes()) && is_value(value);
        if is_valid {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                self.0.extend_from_slice(part);
            }
        }
        is_valid
    }

    /// The headers that were added.
    pub fn finish(self) -> Headers {
        Headers(self.0.into())
    }
}

impl Default for HeadersWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// The name and the value in the first line, and the other lines.
fn split(lines: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let end = memchr::memchr(b'\r', lines)?;
    let (line, rest) = lines.split_at(end);
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at(colon);
    Some((name, value.strip_prefix(b": ")?, rest.strip_prefix(b"\r\n")?))
}

/// Whether HTTP/2 allows this name, which has no capital letters (RFC 9113, section 8.2).
fn is_name(name: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token)
}

/// Whether a value has no control characters except tabs, as in [`HeaderValue::from_bytes`].
fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_empty_and_opaque_values_are_read_as_they_were_written() {
        let mut map = HeaderMap::new();
        map.append("a", HeaderValue::from_static(""));
        map.append("a", HeaderValue::from_static("x: y"));
        map.append("b", HeaderValue::from_bytes(b"\xff\t z ").expect("a valid value"));
        let written = Headers::from(&map);
        let read = Headers::parse(written.as_bytes().to_vec()).expect("valid headers");
        assert_eq!((read.to_map(), &read), (map, &written));
        assert_eq!(read.get_all("A").collect::<Vec<_>>(), [&b""[..], b"x: y"]);
        assert_eq!((read.get("b"), read.get("c")), (Some(&b"\xff\t z "[..]), None));
        assert_eq!(format!("{read:?}"), r#"["a", "a", "b"]"#);
    }

    #[test]
    fn a_damaged_line_is_named() {
        for bytes in [
            "a: b\r\nc: d",
            "a: b\r\nc\r\n",
            "a: b\r\n: d\r\n",
            "a: b\r\nc: \0\r\n",
            "a: b\r\nc:d\r\n",
            "a: b\r\nC: d\r\n",
            "a: b\r\nc: d\re: f\r\n",
            "a: b\r\nc d: e\r\n",
            "a: b\r\n\r\n",
        ] {
            assert_eq!(Headers::parse(bytes), Err(HeadersError { line: 2 }), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_allowed_is_what_the_types_of_http_allow() {
        for byte in 0..=u8::MAX {
            let value = [b'v', byte];
            assert_eq!(is_value(&value), HeaderValue::from_bytes(&value).is_ok(), "{byte}");
            let name = [b'n', byte];
            let parsed = HeaderName::from_bytes(&name).is_ok_and(|parsed| parsed.as_str().as_bytes() == name);
            assert_eq!(is_name(&name), parsed, "{byte}");
        }
        assert!(!is_name(b"") && is_value(b""));
    }
}
