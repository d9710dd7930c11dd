//! Signed requests, authentic or forged, in every scheme.

use std::fmt::Write;

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::sign::Signer;
use countersign::{MessageId, Secret, UnixTime};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;

/// A request as a sender sends it. [`Signer`] signs `v1` and `v1a`; [`Delivery::with_token`] carries a token.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The path of the request line.
    pub path: String,
    /// The value of `Host`, unless the headers have one.
    pub host: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Delivery {
    /// Has these headers and this body, and goes to `/hook`.
    pub fn new(headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { path: "/hook".into(), host: "hooks.example.com".into(), headers, body: body.into() }
    }

    /// Signed with these secrets, `offset` seconds from the present.
    pub fn signed<'s>(
        secrets: impl IntoIterator<Item = &'s str>,
        offset: i64,
        id: &str,
        body: impl Into<Bytes>,
    ) -> Self {
        let now = SystemClock.now().as_secs().checked_add_signed(offset).expect("a valid time");
        Self::signed_at(&signer(secrets), UnixTime::from_secs(now), id, body)
    }

    /// Signed by this signer at the present time.
    pub fn signed_by(signer: &Signer, id: &str, body: impl Into<Bytes>) -> Self {
        Self::signed_at(signer, SystemClock.now(), id, body)
    }

    /// Signed by this signer at this time.
    pub fn signed_at(signer: &Signer, at: UnixTime, id: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::new(signer.sign(&MessageId::parse(id).expect("a valid id"), at, &body), body)
    }

    /// Has this token as its signature.
    pub fn with_token(token: &str, at: UnixTime, id: &str, body: impl Into<Bytes>) -> Self {
        let value = |text: &str| HeaderValue::from_str(text).expect("a valid header value");
        let headers = HeaderMap::from_iter([
            (WEBHOOK_ID, value(id)),
            (WEBHOOK_TIMESTAMP, HeaderValue::from(at.as_secs())),
            (WEBHOOK_SIGNATURE, value(token)),
        ]);
        Self::new(headers, body)
    }

    /// Goes to this path.
    #[must_use]
    pub fn to(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// Names this host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    /// Replaces a header.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let (name, value) = header(name, value);
        self.headers.insert(name, value);
        self
    }

    /// Adds a header, beside others of the same name.
    #[must_use]
    pub fn add(mut self, name: &str, value: &str) -> Self {
        let (name, value) = header(name, value);
        self.headers.append(name, value);
        self
    }

    /// Removes a header, which has to be there.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name).expect("a header of this name");
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The message id.
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().expect("visible ASCII")
    }

    /// The request line and the headers, without the empty line that ends a head.
    pub fn head(&self) -> String {
        let mut head = format!("POST {} HTTP/1.1\r\n", self.path);
        if !self.headers.contains_key("host") {
            write!(head, "host: {}\r\n", self.host).expect("a string");
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {}\r\n", value.to_str().expect("visible ASCII")).expect("a string");
        }
        head
    }

    /// The whole request as bytes, with `Content-Length`.
    pub fn bytes(&self) -> Vec<u8> {
        [format!("{}content-length: {}\r\n\r\n", self.head(), self.body.len()).as_bytes(), &self.body].concat()
    }

    /// The request, for a service that is called without a connection. It has no `Host`.
    pub fn request(&self) -> Request<Full<Bytes>> {
        self.request_with(Full::new(self.body.clone()))
    }

    /// The request with this body, for a service that is called without a connection. It has no `Host`.
    pub fn request_with<B>(&self, body: B) -> Request<B> {
        let mut request = Request::post(&self.path).body(body).expect("a valid path");
        request.headers_mut().extend(self.headers.clone());
        request
    }
}

/// A signer with these secrets.
pub fn signer<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Signer {
    let secrets = secrets.into_iter().map(|text| Secret::parse(text).expect("a valid secret"));
    Signer::new(secrets).expect("at least one secret")
}

/// Bytes that look random and are the same in every run.
pub fn noise(len: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ len as u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    bytes.take(len).collect()
}

fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    (name.parse().expect("a valid header name"), value.parse().expect("a valid header value"))
}
