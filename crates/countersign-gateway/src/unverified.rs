//! Unverified requests, kept in memory so that their rejections can be explained.

use std::fmt;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};

/// How many bytes of the headers of a request are kept.
const MAX_HEAD: usize = 32 << 10;
/// Of no use for an explanation.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// A request whose signature was rejected, while it is recorded.
#[derive(Clone, Copy)]
pub struct Unverified<'a> {
    /// The source that it claims to be from.
    pub source: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, if it was read.
    pub body: Option<&'a Bytes>,
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The same, as it is kept. It is never shown.
#[derive(Clone)]
pub struct KeptUnverified {
    /// The source that it claims to be from.
    pub source: String,
    /// Its headers, without credentials.
    pub headers: HeaderMap,
    /// Its body, if bodies are kept and it was read.
    pub body: Option<Bytes>,
    size: usize,
}

impl Unverified<'_> {
    /// A copy, because headers and body may be parts of larger buffers.
    pub fn keep(&self, with_body: bool) -> KeptUnverified {
        let (headers, head) = copied(self.headers);
        let body = self.body.filter(|_| with_body).map(|body| Bytes::copy_from_slice(body));
        let size = head + body.as_ref().map_or(0, Bytes::len);
        KeptUnverified { source: self.source.to_owned(), headers, body, size }
    }
}

impl KeptUnverified {
    /// How many bytes of memory it takes up, roughly.
    pub fn size(&self) -> usize {
        self.size
    }
}

impl fmt::Debug for KeptUnverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptUnverified").field("source", &self.source).field("size", &self.size).finish_non_exhaustive()
    }
}

/// The headers that may explain something, and their size.
fn copied(headers: &HeaderMap) -> (HeaderMap, usize) {
    let (mut kept, mut size) = (HeaderMap::new(), 0);
    for (name, value) in headers {
        if CREDENTIALS.contains(name) || value.is_sensitive() {
            continue;
        }
        size += name.as_str().len() + value.len();
        if size > MAX_HEAD {
            break;
        }
        let copy =
            HeaderName::from_bytes(name.as_str().as_bytes()).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        if let Some((name, value)) = copy {
            kept.append(name, value);
        }
    }
    (kept, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_long_heads_are_not_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("webhook-id", "msg_1"), ("authorization", "Bearer x"), ("cookie", "x=y")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let body = Bytes::from_static(b"{}");
        let unverified = Unverified { source: "test", headers: &headers, body: Some(&body) };
        let kept = unverified.keep(true);
        assert_eq!((kept.headers.len(), kept.body.as_deref(), kept.size()), (1, Some(&b"{}"[..]), 17));
        assert_eq!(unverified.keep(false).body, None);
        headers.insert("x-long", HeaderValue::from_str(&"x".repeat(MAX_HEAD)).expect("a value"));
        headers.insert("x-more", HeaderValue::from_static("y"));
        let kept = Unverified { source: "test", headers: &headers, body: None }.keep(true);
        assert!(!kept.headers.contains_key("x-long"), "{:?}", kept.headers);
    }
}
