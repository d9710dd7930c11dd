//! A JSON Web Token in place of a list: its parts, its claims, and whether it binds a body.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto;
use crate::json::{self, Object, Value, WrongType};
use crate::rejection::Reason;

/// A longer token is not read: it has to fit into the head of a request, which servers bound too.
const MAX_LEN: usize = 64 * 1024;
/// A longer header of a token is not read, in bytes: names and types take up a few dozen.
const MAX_HEADER_LEN: usize = 8 * 1024;
/// A token is verified before the body is read, and its claims are compared with the body: both cost time for
/// each member. Payloads are thin.
const MAX_PAYLOAD_LEN: usize = 16 * 1024;

/// How far the clocks of a token's issuer and ours may be apart, for `exp` and `nbf`, in seconds.
const LEEWAY: i64 = 60;
/// A token that does not say when it was issued could be sent again for as long as it is valid: it expires
/// within this time, in seconds.
const MAX_LIFETIME: i64 = 24 * 60 * 60;
/// How long a token without `iat` may be accepted for: its id has to be remembered for as long.
pub(crate) const LONGEST_LIFE: Duration = Duration::from_secs((MAX_LIFETIME + LEEWAY).unsigned_abs());

/// Claims about the token itself (RFC 7519, 4.1); the others are about the event.
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
/// The type of a token (RFC 7519, 5.1).
const JWT: &str = "JWT";
const BODY_HASHES: [&str; 2] = ["body_sha256", "request_body_sha256"];

/// What is asked of a token besides its signature.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) audience: Vec<String>,
    pub(crate) issuer: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) binds_body: bool,
}

impl Policy {
    pub(crate) fn has_audience(&self) -> bool {
        !self.audience.is_empty()
    }
}

/// A token that could be read. Nothing in it is to be trusted before its signature holds.
pub(crate) struct Token<'h> {
    pub(crate) signing_input: &'h [u8],
    pub(crate) signature: Vec<u8>,
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    payload: Vec<u8>,
}

pub(crate) struct Header {
    alg: Option<String>,
    kid: Option<String>,
    typ: Option<String>,
}

pub(crate) struct Claims {
    iss: Option<String>,
    aud: Vec<String>,
    exp: Option<Date>,
    nbf: Option<Date>,
    iat: Option<Date>,
    pub(crate) jti: Option<String>,
}

/// A `NumericDate`: seconds since the epoch, a fraction allowed.
#[derive(Clone, Copy)]
struct Date(i64);

impl<'h> Token<'h> {
    /// Reads the three parts; `None` if one cannot be read, or asks for what is not done here.
    pub(crate) fn parse(text: &'h [u8]) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let dot = text.iter().rposition(|byte| *byte == b'.')?;
        let (signing_input, signature) = (&text[..dot], &text[dot + 1..]);
        let mut parts = signing_input.split(|byte| *byte == b'.');
        let header = Header::parse(&URL_SAFE_NO_PAD.decode(parts.next()?).ok()?)?;
        let payload = URL_SAFE_NO_PAD.decode(parts.next()?).ok().filter(|payload| payload.len() <= MAX_PAYLOAD_LEN)?;
        let claims = Claims::parse(&payload)?;
        // A signature that cannot be read is one that does not match.
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        Some(Self { signing_input, signature, header, claims, payload })
    }

    /// Whether no claim is there twice. Asked once the signature holds: it means to sort them.
    pub(crate) fn has_unique_claims(&self) -> bool {
        let mut names = Vec::new();
        let read = json::read_object(&self.payload, |name, reader| {
            names.push(name.to_owned());
            reader.skip()
        });
        names.sort_unstable();
        read.is_some() && names.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// The payload, for [`binds`].
    pub(crate) fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

impl Header {
    /// `None` if a parameter is there twice, has the wrong type, or means that the payload is something else
    /// than claims: `crit` (no extension is understood here; RFC 7515, 4.1.11), a payload that is not encoded
    /// (`b64`, RFC 7797), compressed (`zip`) or encrypted (`enc`, RFC 7516), or a token in the token (`cty`,
    /// RFC 7519, 5.2).
    fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_HEADER_LEN {
            return None;
        }
        let header = Object::parse(text).filter(Object::has_unique_names)?;
        let is_plain = ["crit", "zip", "enc"].iter().all(|name| header.get(name).is_none())
            && matches!(header.get("b64"), None | Some(Value::Literal("true")))
            && !header.text("cty").ok()?.is_some_and(|cty| is_media_type(cty, JWT));
        let own = |name| Some(header.text(name).ok()?.map(str::to_owned));
        // A `typ` that is there is a string.
        let typ = own("typ")?;
        let has_type = typ.is_some() || header.get("typ").is_none();
        (is_plain && has_type).then_some(Self { alg: own("alg")?, kid: own("kid")?, typ })
    }

    /// Whether it names no type, that of tokens, or one of these.
    pub(crate) fn has_type_of(&self, policy: &Policy) -> bool {
        let is_wanted =
            |typ: &String| is_media_type(typ, JWT) || policy.types.iter().any(|wanted| is_media_type(typ, wanted));
        self.typ.as_ref().is_none_or(is_wanted)
    }

    pub(crate) fn is_rs256(&self) -> bool {
        self.alg.as_deref().is_some_and(crypto::is_rs256)
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

/// Whether both are the same media type: case-insensitive, and `application/` may be left out (RFC 7515, 4.1.9).
fn is_media_type(one: &str, other: &str) -> bool {
    fn subtype(text: &str) -> &str {
        match text.split_at_checked("application/".len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case("application/") && !rest.contains('/') => rest,
            _ => text,
        }
    }
    subtype(one).eq_ignore_ascii_case(subtype(other))
}

impl Claims {
    /// Reads the registered claims and passes over the others; `None` if one is there twice or has the wrong
    /// type. `null` is the same as absent.
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut found: [Option<Value<'_>>; REGISTERED.len()] = Default::default();
        json::read_object(payload, |name, reader| match REGISTERED.iter().position(|claim| *claim == name) {
            Some(at) => found[at].replace(reader.value()?).is_none().then_some(()),
            None => reader.skip(),
        })?;
        let [iss, _sub, aud, exp, nbf, iat, jti] = found.map(|value| value.filter(|value| !value.is_null()));
        Some(Self {
            iss: optional(iss, text).ok()?,
            aud: optional(aud, audience).ok()?.unwrap_or_default(),
            exp: optional(exp, Date::parse).ok()?,
            nbf: optional(nbf, Date::parse).ok()?,
            iat: optional(iat, Date::parse).ok()?,
            jti: optional(jti, text).ok()?,
        })
    }

    /// Checks who issued the token, for whom, and when it is valid. Gives when it was issued.
    pub(crate) fn check(&self, policy: &Policy, now: u64) -> Result<Option<u64>, Reason> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if !policy.issuer.is_empty() && !self.iss.as_ref().is_some_and(|issuer| policy.issuer.contains(issuer)) {
            return Err(Reason::TokenIssuer);
        }
        if !self.aud.iter().any(|audience| policy.audience.contains(audience)) {
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

/// Reads a claim, if it is there.
fn optional<T>(claim: Option<Value<'_>>, read: fn(&Value<'_>) -> Option<T>) -> Result<Option<T>, WrongType> {
    claim.map(|claim| read(&claim).ok_or(WrongType)).transpose()
}

fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

/// One or several (RFC 7519, 4.1.3).
fn audience(value: &Value<'_>) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => text(one).map(|one| vec![one]),
    }
}

impl Date {
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and no date is that far off")]
    fn parse(value: &Value<'_>) -> Option<Self> {
        let Value::Number(text) = value else { return None };
        text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).map(|seconds| Self(seconds.floor() as i64))
    }
}

/// Whether a token's payload fits this body: by its hash, or by being the same event.
///
/// Where the claims contain a hash, it alone decides, and each must be that of the body. Otherwise a token that
/// carries a hash could be sent with a body that repeats its claims. Claims that say nothing of an event bind no
/// body, not even an empty one; they fit if the body `must_be_bound` by policy no more.
pub(crate) fn fits(payload: &[u8], body: &[u8], must_be_bound: bool) -> bool {
    let Some(claims) = Object::parse(payload) else { return false };
    let hashes: Vec<_> = BODY_HASHES.iter().filter_map(|name| claims.get(name)).collect();
    if !hashes.is_empty() {
        let hash = crypto::sha256(body);
        return hashes.iter().all(|claim| matches!(claim, Value::String(text) if is_hash(text, &hash)));
    }
    if !must_be_bound {
        return true;
    }
    let event = claims.without(&REGISTERED).sorted();
    event.is_some_and(|event| !event.is_empty() && event.equals(body, payload.len()))
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
