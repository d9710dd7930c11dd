use std::fmt::Write;

use bytes::Bytes;
use countersign::{Clock, MessageId, Secret, Signer, SystemClock, UnixTime};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the source `test` signs with.
pub(crate) const SECRET: &str = "whsec_ZWRLvP0xlU2qvMeLqzFlN4QGHbsOADai";
/// What it does not sign with.
pub(crate) const OTHER_SECRET: &str = "whsec_Slij6fWWdjiVkP2MB2DFee8ASRsB0IPYdiaGx59Qd2Y=";

/// What a sender sends.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A genuine delivery to `/hook`, signed just now.
pub(crate) fn delivery(id: &str, body: impl Into<Bytes>) -> Delivery {
    Delivery::signed([SECRET], 0, id, body)
}

impl Delivery {
    /// A delivery signed with these secrets, so many seconds off the present.
    pub(crate) fn signed<'s>(
        secrets: impl IntoIterator<Item = &'s str>,
        offset: i64,
        id: &str,
        body: impl Into<Bytes>,
    ) -> Self {
        let body = body.into();
        let secrets = secrets.into_iter().map(|text| Secret::parse(text).expect("a good secret"));
        let signer = Signer::new(secrets).expect("one secret at least");
        Self::signed_off(&signer, offset, id, body)
    }

    /// A delivery that this signer signs just now.
    pub(crate) fn signed_by(signer: &Signer, id: &str, body: impl Into<Bytes>) -> Self {
        Self::signed_off(signer, 0, id, body.into())
    }

    fn signed_off(signer: &Signer, offset: i64, id: &str, body: Bytes) -> Self {
        let now = SystemClock.now().as_secs().checked_add_signed(offset).expect("a time that can be said");
        let headers = signer.sign(&MessageId::parse(id).expect("a good id"), UnixTime::from_secs(now), &body);
        Self { path: "/hook".into(), host: "hooks.example.com".into(), headers, body }
    }

    pub(crate) fn to(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name_of(name), HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name_of(name), HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name).expect("it was there");
        self
    }

    pub(crate) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().expect("visible ASCII")
    }

    /// The request line, `Host` and the webhook headers, without the empty line that ends a head.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", self.path, self.host);
        for (name, value) in &self.headers {
            write!(head, "{name}: {}\r\n", value.to_str().expect("visible ASCII")).expect("a string grows");
        }
        head
    }

    /// The whole request as bytes, with `Content-Length`.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [format!("{}content-length: {}\r\n\r\n", self.head(), self.body.len()).as_bytes(), &self.body].concat()
    }
}

fn name_of(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("a header's name")
}

/// Bytes that look random, and are the same in every run.
pub(crate) fn noise(len: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ len as u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    bytes.take(len).collect()
}
