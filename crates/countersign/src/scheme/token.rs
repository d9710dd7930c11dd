//! A JSON Web Token in place of a list: its parts, its claims, and whether it binds a body.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::crypto;
use crate::json::Members;
use crate::verdict::Reason;

/// How far the clocks of a token's issuer and ours may be apart, for `exp` and `nbf`, in seconds.
const LEEWAY: i64 = 60;
/// A token that does not say when it was issued could be sent again for as long as it is valid: no
/// longer than ids are remembered for, in seconds.
const MAX_LIFETIME: i64 = 24 * 60 * 60;

/// Claims about the token itself (RFC 7519, 4.1); the others are about the event.
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
const BODY_HASHES: [&str; 2] = ["body_sha256", "request_body_sha256"];

/// Whether this is one token rather than a list: two dots, no comma, no space.
pub(crate) fn is_token(header: &[u8]) -> bool {
    // A list has its first comma near its beginning, so most headers are told apart at once.
    !header.iter().any(|byte| matches!(byte, b',' | b' ')) && header.iter().filter(|byte| **byte == b'.').count() == 2
}

/// What is asked of a token besides its signature.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) audience: Vec<String>,
    pub(crate) issuer: Vec<String>,
    pub(crate) binds_body: bool,
}

/// A token that could be read. Nothing in it is to be trusted before its signature holds.
pub(crate) struct Token<'h> {
    pub(crate) signing_input: &'h [u8],
    pub(crate) signature: Vec<u8>,
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    payload: Vec<u8>,
}

#[derive(Deserialize)]
pub(crate) struct Header {
    alg: Option<String>,
    kid: Option<String>,
    #[serde(default)]
    crit: Critical,
}

/// Whether there is a `crit`, whatever it says: no extension is understood here.
#[derive(Default)]
struct Critical(bool);

impl<'de> Deserialize<'de> for Critical {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[derive(Deserialize)]
pub(crate) struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<Date>,
    nbf: Option<Date>,
    iat: Option<Date>,
    pub(crate) jti: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// A `NumericDate`: seconds since the epoch, a fraction allowed.
#[derive(Clone, Copy, Deserialize)]
#[serde(from = "f64")]
struct Date(i64);

impl From<f64> for Date {
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and no date is that far off")]
    fn from(seconds: f64) -> Self {
        Self(seconds.floor() as i64)
    }
}

impl<'h> Token<'h> {
    /// Reads the three parts; `None` if one cannot be read, or if there is a `crit`.
    pub(crate) fn parse(text: &'h [u8]) -> Option<Self> {
        let dot = text.iter().rposition(|byte| *byte == b'.')?;
        let (signing_input, signature) = (&text[..dot], &text[dot + 1..]);
        let mut parts = signing_input.split(|byte| *byte == b'.');
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let claims = serde_json::from_slice(&payload).ok()?;
        // A signature that cannot be read is one that does not match.
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        (!header.crit.0).then_some(Self { signing_input, signature, header, claims, payload })
    }

    /// The payload, for [`binds`].
    pub(crate) fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

impl Header {
    pub(crate) fn is_rs256(&self) -> bool {
        self.alg.as_deref() == Some("RS256")
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

impl Claims {
    /// Checks who issued the token, for whom, and when it is valid. Gives when it was issued.
    pub(crate) fn check(&self, policy: &Policy, now: u64) -> Result<Option<u64>, Reason> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if !policy.issuer.is_empty() && !self.iss.as_ref().is_some_and(|issuer| policy.issuer.contains(issuer)) {
            return Err(Reason::TokenIssuer);
        }
        if !self.aud.as_ref().is_some_and(|audience| audience.meets(&policy.audience)) {
            return Err(Reason::TokenAudience);
        }
        let is_timed = match (self.iat, self.exp) {
            (Some(_), _) => true,
            (None, Some(Date(exp))) => exp <= now.saturating_add(MAX_LIFETIME),
            (None, None) => false,
        };
        if !is_timed {
            return Err(Reason::TokenUntimed);
        }
        if self.exp.is_some_and(|Date(exp)| now >= exp.saturating_add(LEEWAY)) {
            return Err(Reason::TokenExpired);
        }
        if self.nbf.is_some_and(|Date(nbf)| now.saturating_add(LEEWAY) < nbf) {
            return Err(Reason::TokenNotYetValid);
        }
        // A date before the epoch is as old as one can be.
        Ok(self.iat.map(|Date(iat)| u64::try_from(iat).unwrap_or(0)))
    }
}

impl Audience {
    fn meets(&self, wanted: &[String]) -> bool {
        match self {
            Self::One(audience) => wanted.contains(audience),
            Self::Several(audiences) => audiences.iter().any(|audience| wanted.contains(audience)),
        }
    }
}

/// Whether a token's payload binds this body: by its hash, or by being the same event.
pub(crate) fn binds(payload: &[u8], body: &[u8]) -> bool {
    let Some(claims) = Members::parse(payload) else { return false };
    let hash = crypto::sha256(body);
    if BODY_HASHES.iter().filter_map(|name| claims.string(name)).any(|text| is_hash(&text, &hash)) {
        return true;
    }
    Members::parse(body).is_some_and(|event| claims.without(&REGISTERED).equal(&event))
}

/// Whether the text is this hash, in hex or base64url.
fn is_hash(text: &str, hash: &[u8; 32]) -> bool {
    let is_hex = || {
        let pairs = text.as_bytes().chunks(2);
        text.len() == 64
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && pairs.zip(hash).all(|(pair, byte)| {
                std::str::from_utf8(pair).is_ok_and(|pair| u8::from_str_radix(pair, 16) == Ok(*byte))
            })
    };
    is_hex() || URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).is_ok_and(|bytes| bytes == hash)
}
