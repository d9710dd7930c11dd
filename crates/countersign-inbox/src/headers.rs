//! Headers as one block of bytes, for inboxes that store them in one column.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Stored headers cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the stored headers is not `name: value`")]
pub struct HeadersError {
    /// The line, starting at 1.
    pub line: usize,
}

/// Writes headers as HTTP/1.1 does: `name: value` in each line, with CR LF at its end.
///
/// ```
/// use countersign_inbox::{headers_from_bytes, headers_to_bytes};
/// use http::{HeaderMap, HeaderValue, header};
///
/// let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
/// let bytes = headers_to_bytes(&headers);
/// assert_eq!(bytes, b"content-type: application/json\r\n");
/// assert_eq!(headers_from_bytes(&bytes), Ok(headers));
/// ```
pub fn headers_to_bytes(headers: &HeaderMap) -> Vec<u8> {
    let len = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut bytes = Vec::with_capacity(len);
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads what [`headers_to_bytes`] has written.
pub fn headers_from_bytes(bytes: &[u8]) -> Result<HeaderMap, HeadersError> {
    let mut headers = HeaderMap::new();
    let mut rest = bytes;
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let error = HeadersError { line };
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(error)?;
        let (text, after) = rest.split_at(end);
        rest = after.get(2..).unwrap_or_default();
        let colon = text.windows(2).position(|pair| pair == b": ").ok_or(error)?;
        let (name, value) = text.split_at(colon);
        let name = HeaderName::from_bytes(name).map_err(|_| error)?;
        let value = HeaderValue::from_bytes(value.get(2..).unwrap_or_default()).map_err(|_| error)?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_empty_and_opaque_values_are_read_as_they_were_written() {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static(""));
        headers.append("a", HeaderValue::from_static("x: y"));
        headers.append("b", HeaderValue::from_bytes(b"\xff\t z ").expect("a valid value"));
        assert_eq!(headers_from_bytes(&headers_to_bytes(&headers)), Ok(headers));
    }

    #[test]
    fn a_damaged_line_is_named() {
        for bytes in [&b"a: b\r\nc: d"[..], b"a: b\r\nc\r\n", b"a: b\r\n: d\r\n", b"a: b\r\nc: \0\r\n"] {
            assert_eq!(headers_from_bytes(bytes), Err(HeadersError { line: 2 }));
        }
    }
}
