//! Requests as they are on the wire: head, an empty line, body.

use bytes::Bytes;

use super::captured::Capture;
use super::{encoding, lines};

/// Reads a request as it is on the wire.
pub(super) fn request(bytes: &[u8]) -> Result<Capture, String> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let text = encoding::decode(bytes)?;
        return split(text.as_bytes());
    }
    split(bytes)
}

fn split(bytes: &[u8]) -> Result<Capture, String> {
    let (head, body) = split_head(bytes).ok_or("has no empty line between head and body")?;
    let head = str::from_utf8(&bytes[..head]).map_err(|_| "the head is not text")?;
    Ok(Capture::new(lines::headers(head)?, Bytes::copy_from_slice(&bytes[body..])))
}

/// Where the head ends and where the body begins.
fn split_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let find = |end: &[u8]| bytes.windows(end.len()).position(|window| window == end).map(|at| (at, at + end.len()));
    // `curl -v` writes `>` before the lines of the head.
    [find(b"\r\n\r\n"), find(b"\n\n"), find(b"\n> \n"), find(b"\n>\n"), find(b"\n> \r\n"), find(b"\n>\r\n")]
        .into_iter()
        .flatten()
        .min()
}
