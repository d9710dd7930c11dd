//! As much HTTP/1.1 as a load generator and its backend need: messages with a `Content-Length`.

use httparse::{Header, Request, Response, Status};

const MAX_HEADERS: usize = 64;

/// Where a response ends, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The length of head and body.
    pub len: usize,
    /// Whether the server closes the connection after it.
    pub closes: bool,
}

/// A message that neither side of a bench should ever see.
#[derive(Debug)]
pub struct Unreadable(String);

/// The length of the request that `bytes` begins with; `None` if it is not all there.
pub fn request_len(bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    let Status::Complete(head) = request.parse(bytes)? else { return Ok(None) };
    let len = head + content_length(request.headers)?.unwrap_or(0);
    Ok((len <= bytes.len()).then_some(len))
}

/// The response that `bytes` begins with; `None` if it is not all there.
pub fn response(bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    let (Status::Complete(head), status) = (response.parse(bytes)?, response.code.unwrap_or(0)) else {
        return Ok(None);
    };
    let body = match content_length(response.headers)? {
        Some(length) => length,
        None if status == 204 => 0,
        None => return Err(Unreadable(format!("a response {status} of no stated length"))),
    };
    let len = head + body;
    let closes = response
        .headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case("connection") && header.value.eq_ignore_ascii_case(b"close"));
    Ok((len <= bytes.len()).then_some(Answer { status, len, closes }))
}

fn content_length(headers: &[Header<'_>]) -> Result<Option<usize>, Unreadable> {
    let value =
        |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value);
    if value("transfer-encoding").is_some() {
        return Err(Unreadable("a chunked message, which nobody here sends".into()));
    }
    let parse = |digits: &[u8]| str::from_utf8(digits).ok()?.parse().ok();
    let Some(digits) = value("content-length") else { return Ok(None) };
    parse(digits).map(Some).ok_or_else(|| Unreadable("a content-length that is no number".into()))
}

impl From<httparse::Error> for Unreadable {
    fn from(error: httparse::Error) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_ends_where_its_length_says() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP";
        assert_eq!(response(text).ok().flatten(), Some(Answer { status: 200, len: text.len() - 4, closes: false }));
        assert!(matches!(response(&text[..text.len() - 5]), Ok(None)));
        assert!(response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(response(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_response_says_that_its_connection_closes() {
        let text = b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert!(response(text).ok().flatten().is_some_and(|answer| answer.closes));
    }
}
