//! Requests as they are on the wire: head, an empty line, body.

use bytes::Bytes;

use super::captured::Capture;
use super::{encoding, lines};

/// Reads a request as it is on the wire.
pub(super) fn request(bytes: &[u8]) -> Result<Capture, String> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if encoding::is_wide(bytes) {
        let text = encoding::decode(bytes)?;
        return split(text.as_bytes());
    }
    split(bytes)
}

fn split(bytes: &[u8]) -> Result<Capture, String> {
    let (head, body) = split_head(bytes).ok_or("has no empty line between head and body")?;
    let head = str::from_utf8(&bytes[..head]).map_err(|_| "the head is not text")?;
    if is_status(head.as_bytes()) {
        return Err("this is a response, not a request".into());
    }
    let headers = lines::headers(head)?;
    let body = own_body(head, &bytes[body..]);
    if body.trim_ascii().is_empty() && lines::sent_mark(head).is_some() {
        return Err(NO_BODY.into());
    }
    Ok(Capture::new(headers, Bytes::copy_from_slice(body)))
}

/// What to do about a request whose body was not printed.
pub(super) const NO_BODY: &str = "has headers, but no body, because `curl -v` and the like do not print what was sent: run `curl --trace FILE …` and give that \
     file, or give this file as --headers and the bytes of the body as --body";

/// The body without what clients print behind it: the response, and the next request of a file.
fn own_body<'b>(head: &str, rest: &'b [u8]) -> &'b [u8] {
    let first = head.lines().next().unwrap_or_default();
    let (is_marked, is_file) = (lines::sent_mark(head).is_some(), first.contains("://"));
    let is_other = |line: &[u8]| {
        is_status(line)
            || is_marked && (line.starts_with(b"* ") || line.starts_with(b"< "))
            || is_file && line.starts_with(b"###")
    };
    let mut at = 0;
    while at < rest.len() {
        let len = rest[at..].iter().position(|byte| *byte == b'\n').map_or(rest.len() - at, |end| end + 1);
        if is_other(&rest[at..at + len]) {
            // The line ends in front of it are the client's.
            return rest[..at].trim_ascii_end();
        }
        at += len;
    }
    rest
}

/// Whether this is the status line of a response: `HTTP/1.1 200 OK`.
fn is_status(line: &[u8]) -> bool {
    let version = line
        .strip_prefix(b"HTTP/")
        .and_then(|rest| rest.iter().position(|byte| *byte == b' ').map(|at| &rest[at + 1..]));
    version.and_then(|rest| rest.get(..3)).is_some_and(|status| status.iter().all(u8::is_ascii_digit))
}

/// Where the head ends and where the body begins.
fn split_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let find = |end: &[u8]| bytes.windows(end.len()).position(|window| window == end).map(|at| (at, at + end.len()));
    // `curl -v` writes `>` before the lines of the head, and requests_toolbelt `<`.
    let ends: [&[u8]; 10] = [
        b"\r\n\r\n",
        b"\n\n",
        b"\n> \n",
        b"\n>\n",
        b"\n> \r\n",
        b"\n>\r\n",
        b"\n< \n",
        b"\n<\n",
        b"\n< \r\n",
        b"\n<\r\n",
    ];
    ends.into_iter().filter_map(find).min()
}
