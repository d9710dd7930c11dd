//! Decides whether a request is plain, and parses its head if it is.

use std::mem::MaybeUninit;

use bytes::Bytes;
use countersign::header::{SVIX_HEADERS, WEBHOOK_HEADERS};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use httparse::{Header, Status};

/// The maximum number of headers in a plain request.
const MAX_HEADERS: usize = 64;
/// The maximum number of digits in a length, so that no sum of lengths overflows.
const MAX_DIGITS: usize = 15;

/// The head of a plain request.
#[derive(Debug)]
pub(in crate::serve) struct PlainHead {
    /// The request, without its body.
    pub(in crate::serve) request: Request<()>,
    /// The length of the head on the wire, in bytes.
    pub(in crate::serve) bytes: usize,
    /// The length of the body, in bytes.
    pub(in crate::serve) body: u64,
    /// Whether the sender closes the connection after this request.
    pub(in crate::serve) closes: bool,
}

impl PlainHead {
    /// Parses the head at the beginning of `received`, if it is complete and plain.
    pub(in crate::serve) fn of(received: &Bytes) -> Option<Self> {
        let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut []);
        let Ok(Status::Complete(bytes)) = parsed.parse_with_uninit_headers(received, &mut room) else { return None };
        if parsed.method != Some("POST") || parsed.version != Some(1) {
            return None;
        }
        let target = parsed.path.filter(|target| is_plain_target(target))?;
        let mut headers = HeaderMap::with_capacity(parsed.headers.len());
        let mut framing = Framing::default();
        for header in parsed.headers.iter() {
            let name = name(header.name)?;
            framing.note(&name, header.value)?;
            headers.append(name, HeaderValue::from_maybe_shared(received.slice_ref(header.value)).ok()?);
        }
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = PathAndQuery::from_maybe_shared(received.slice_ref(target.as_bytes())).ok()?.into();
        *request.headers_mut() = headers;
        let body = framing.length.filter(|_| framing.has_host)?;
        Some(Self { request, bytes, body, closes: framing.closes })
    }
}

/// The facts about the connection and the body in the headers.
#[derive(Default)]
struct Framing {
    has_host: bool,
    length: Option<u64>,
    closes: bool,
    has_connection: bool,
}

impl Framing {
    /// Adds this header. Returns `None` if the request is not plain because of it.
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Option<()> {
        match *name {
            HOST if self.has_host => return None,
            HOST => self.has_host = true,
            CONTENT_LENGTH if self.length.is_some() => return None,
            CONTENT_LENGTH => self.length = Some(length(value)?),
            CONNECTION if self.has_connection => return None,
            CONNECTION => {
                self.has_connection = true;
                self.closes = value.eq_ignore_ascii_case(b"close");
                if !self.closes && !value.eq_ignore_ascii_case(b"keep-alive") {
                    return None;
                }
            }
            TRANSFER_ENCODING | EXPECT | TE | TRAILER | UPGRADE => return None,
            _ if ["keep-alive", "proxy-connection", "http2-settings"].contains(&name.as_str()) => return None,
            _ => {}
        }
        Some(())
    }
}

/// The names of the webhook headers are not in the table of known names that `http` has, and each would be allocated.
fn name(text: &str) -> Option<HeaderName> {
    let known = WEBHOOK_HEADERS.names().into_iter().chain(SVIX_HEADERS.names());
    let known = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
    known.cloned().or_else(|| HeaderName::from_bytes(text.as_bytes()).ok())
}

fn length(value: &[u8]) -> Option<u64> {
    if !(1..=MAX_DIGITS).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A path, with or without a query, of characters that all parsers read in the same way.
fn is_plain_target(target: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%?=&+:@!$'()*,;".contains(&byte);
    target.starts_with('/') && target.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "POST /hook?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nX-Odd: a\u{ff}\r\n\r\n{}POST";

    fn of(text: &str) -> Option<PlainHead> {
        // All characters are single bytes.
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        PlainHead::of(&Bytes::from(bytes))
    }

    #[test]
    fn a_plain_head_is_taken_and_nothing_behind_it() {
        let head = of(PLAIN).unwrap();
        assert_eq!((head.bytes, head.body, head.closes), (PLAIN.chars().count() - 6, 2, false));
        assert_eq!((head.request.uri().path(), head.request.uri().query()), ("/hook", Some("a=1")));
        assert_eq!(head.request.headers()["x-odd"].as_bytes(), b"a\xff");
        assert!(of(&PLAIN.replace("X-Odd: a\u{ff}", "Connection: Close")).unwrap().closes);
        assert!(!of(&PLAIN.replace("X-Odd", "Connection").replace("a\u{ff}", "keep-alive")).unwrap().closes);
    }

    #[test]
    fn what_is_not_plain_is_left_to_hyper() {
        for (from, to) in [
            ("POST", "GET"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("/hook", "http://h/hook"),
            ("/hook", "*"),
            ("/hook", "/ho\"ok"),
            ("/hook", "/ho#ok"),
            ("Host: h\r\n", ""),
            ("Host: h", "Host: h\r\nHost: h"),
            ("Content-Length: 2\r\n", ""),
            ("Content-Length: 2", "Content-Length: 2\r\nContent-Length: 2"),
            ("Content-Length: 2", "Content-Length: +2"),
            ("Content-Length: 2", "Content-Length: 2, 2"),
            ("Content-Length: 2", "Content-Length: "),
            ("Content-Length: 2", "Content-Length: 1234567890123456"),
            ("Content-Length: 2", "Content-Length : 2"),
            ("X-Odd: a", "Transfer-Encoding: chunked"),
            ("X-Odd: a\u{ff}", "Transfer-Encoding: identity"),
            ("X-Odd: a\u{ff}", "Expect: 100-continue"),
            ("X-Odd: a\u{ff}", "Connection: close, x-odd"),
            ("X-Odd: a\u{ff}", "Connection: keep-alive\r\nConnection: close"),
            ("X-Odd: a\u{ff}", "Connection: upgrade"),
            ("X-Odd", "Upgrade"),
            ("X-Odd", "TE"),
            ("X-Odd", "Trailer"),
            ("X-Odd", "Keep-Alive"),
            ("X-Odd", "HTTP2-Settings"),
            ("X-Odd", "X Odd"),
            ("X-Odd: a", "X-Odd: \u{1}"),
            ("X-Odd: a", " folded"),
            ("\r\n\r\n{}POST", "\r\n"),
        ] {
            let text = PLAIN.replace(from, to);
            assert_ne!(text, PLAIN, "{from:?}");
            assert!(of(&text).is_none(), "{text:?}");
        }
        let headers = "x-more: 1\r\n".repeat(MAX_HEADERS);
        assert!(of(&PLAIN.replace("X-Odd", &format!("{headers}X-Odd"))).is_none());
    }
}
