//! Issues assertions: which claims a verified request gets, and for how long they are valid.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign::UnixTime;
use countersign::clock::Clock;
use http::HeaderValue;
use serde::{Serialize, Serializer};

use super::key::SigningKey;

/// Signs what the gateway has verified.
pub struct Issuer {
    /// The key that signs.
    pub key: Arc<SigningKey>,
    /// Whether the key was generated, and is lost when the process ends.
    pub is_generated: bool,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`, if there is one.
    pub audience: Option<String>,
    /// How long an assertion is valid.
    pub lifetime: Duration,
}

/// What is asserted of a request.
pub struct Facts<'a> {
    /// The id of the message.
    pub message_id: &'a str,
    /// The source that verified it.
    pub source: &'a str,
    /// The scheme of its signature.
    pub scheme: &'a str,
    /// The label of the key that verified it.
    pub key: &'a str,
    /// The type of its event, if it has a readable one.
    pub event_type: Option<Cow<'a, str>>,
    /// The body that the backend gets.
    pub body: &'a [u8],
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: u64,
    exp: u64,
    jti: &'a str,
    source: &'a str,
    scheme: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    #[serde(serialize_with = "hex")]
    body_sha256: &'a [u8],
}

impl Issuer {
    /// The assertion of these facts, valid from `now` on.
    pub fn sign(&self, facts: &Facts<'_>, now: UnixTime) -> Option<HeaderValue> {
        let digest = digest(&SHA256, facts.body);
        let claims = Claims {
            iss: &self.issuer,
            aud: self.audience.as_deref(),
            iat: now.as_secs(),
            exp: now.as_secs().saturating_add(self.lifetime.as_secs()),
            jti: facts.message_id,
            source: facts.source,
            scheme: facts.scheme,
            key: facts.key,
            event_type: facts.event_type.as_deref(),
            body_sha256: digest.as_ref(),
        };
        HeaderValue::try_from(self.key.sign(&claims)?).ok()
    }
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    serializer.serialize_str(&text)
}

/// Issues the assertions of a route.
#[derive(Clone)]
pub struct Assertions {
    issuer: Arc<Issuer>,
    clock: Arc<dyn Clock>,
}

impl Assertions {
    /// Assertions of this issuer, from the time of `clock` on.
    pub fn new(issuer: Arc<Issuer>, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, clock }
    }

    /// An assertion of these facts. `None` if it cannot be signed, which a backend rejects.
    pub fn sign(&self, facts: &Facts<'_>) -> Option<HeaderValue> {
        self.issuer.sign(facts, self.clock.now())
    }
}

impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions").field("issuer", &self.issuer.issuer).finish_non_exhaustive()
    }
}
