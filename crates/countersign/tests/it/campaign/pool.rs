//! Genuine deliveries in every scheme, and requests as they are on the wire.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::sign::Signer;
use countersign::{MessageId, Secret, UnixTime};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::common::{AUDIENCE, BODY, ISSUER, NOW, SECRET, private_key, token_of};

/// The names of the schemes in the pool.
pub(crate) const SCHEMES: [&str; 5] = ["v1", "v1a", "v1 and v1a", "rs256, claims", "rs256, hash"];

const BODIES: [&str; 6] =
    [BODY, "{\"type\":\"a\"}", "{ \"type\" : \"a\" }", "{\"a\":[1,2,{\"b\":null}],\"c\":\"\\u00e9\"}", "1.2", ""];

/// A request: its headers in order, and its body.
#[derive(Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// A delivery that its sender has signed.
#[derive(Debug)]
pub(crate) struct Genuine {
    pub(crate) scheme: &'static str,
    /// The message id that is signed: the header, or the `jti` of a token.
    pub(crate) id: String,
    pub(crate) timestamp: u64,
    /// The entries of the signature header that are valid for this delivery, or the token.
    signatures: Vec<String>,
    pub(crate) request: Request,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.headers {
            write!(f, "\n  {}: {}", name.escape_ascii(), value.escape_ascii())?;
        }
        write!(f, "\n  {}", self.body.escape_ascii())
    }
}

impl Request {
    /// The headers as the core sees them, if HTTP can carry them.
    pub(crate) fn header_map(&self) -> Option<HeaderMap> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            map.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        Some(map)
    }

    /// The values of this header.
    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value.as_slice()).collect()
    }
}

impl Genuine {
    /// Whether the request carries this delivery: everything that is signed, byte for byte, and one of its
    /// signatures. A token that repeats the event in its claims is carried by other spellings of the same JSON.
    pub(crate) fn is_carried_by(&self, request: &Request) -> bool {
        let [ids, timestamps, signatures] =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.values(name));
        let ([id], [timestamp], [signature]) = (&ids[..], &timestamps[..], &signatures[..]) else { return false };
        let mut own = self.signatures.iter().map(String::as_bytes);
        if self.is_token() {
            let is_same = if self.scheme == "rs256, claims" {
                serde_json::from_slice::<Value>(&request.body).ok() == serde_json::from_slice(&self.request.body).ok()
            } else {
                request.body == self.request.body
            };
            return is_same && own.any(|token| token == *signature);
        }
        *id == self.id.as_bytes()
            && *timestamp == self.timestamp.to_string().as_bytes()
            && request.body == self.request.body
            && own.any(|entry| signature.split(|byte| *byte == b' ').any(|word| word == entry))
    }

    /// Whether it can be accepted by this scheme.
    pub(crate) fn has_scheme(&self, scheme: &str) -> bool {
        if self.is_token() { scheme == "rs256" } else { self.scheme.split(" and ").any(|own| own == scheme) }
    }

    pub(crate) fn is_token(&self) -> bool {
        self.scheme.starts_with("rs256")
    }
}

/// Deliveries that resemble each other, so that parts of one nearly fit another.
pub(crate) fn pool() -> Vec<Genuine> {
    let mut pool = Vec::new();
    for (n, body) in (0_u64..).zip(BODIES.into_iter().chain(BODIES)) {
        let (id, timestamp) = (format!("msg_{}", 1 + n % 3), NOW - 2 + n % 4);
        let secret = || [Secret::parse(SECRET).expect("a secret")];
        let key = || [private_key(1 + u8::try_from(n % 3).expect("small"))];
        for (scheme, signer) in [
            ("v1", Signer::new(secret())),
            ("v1a", Signer::with_keys([], key())),
            ("v1 and v1a", Signer::with_keys(secret(), key())),
        ] {
            let signer = signer.expect("a signer");
            let headers =
                signer.sign(&MessageId::parse(&id).expect("an id"), UnixTime::from_secs(timestamp), body.as_bytes());
            let listed = headers["webhook-signature"].to_str().expect("ASCII");
            let signatures = listed.split(' ').map(str::to_owned).collect();
            pool.push(Genuine::new(scheme, (&id, timestamp), signatures, (&id, listed, body)));
        }
        if body.starts_with('{') {
            let mut claims = format!("{},", &body[..body.len() - 1].trim_end());
            claims.push_str(&registered(&id, timestamp));
            pool.push(Genuine::of_token("rs256, claims", &id, timestamp, &claims, body));
        }
        let hash = URL_SAFE_NO_PAD.encode(aws_lc_sha256(body.as_bytes()));
        let claims = format!("{{\"body_sha256\":\"{hash}\",{}", registered(&id, timestamp));
        pool.push(Genuine::of_token("rs256, hash", &id, timestamp, &claims, body));
    }
    pool
}

/// The end of the claims.
fn registered(id: &str, timestamp: u64) -> String {
    let claims =
        json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": timestamp, "exp": timestamp + 300, "jti": format!("jti_{id}") });
    claims.to_string()[1..].to_owned()
}

impl Genuine {
    fn new(
        scheme: &'static str,
        (id, timestamp): (&str, u64),
        signatures: Vec<String>,
        (header, listed, body): (&str, &str, &str),
    ) -> Self {
        let line = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let request = Request {
            headers: vec![
                line("content-type", "application/json"),
                line("webhook-id", header),
                line("webhook-timestamp", &timestamp.to_string()),
                line("webhook-signature", listed),
            ],
            body: body.as_bytes().to_vec(),
        };
        Self { scheme, id: id.into(), timestamp, signatures, request }
    }

    fn of_token(scheme: &'static str, id: &str, timestamp: u64, claims: &str, body: &str) -> Self {
        let token = token_of(r#"{"alg":"RS256","kid":"rsa-1"}"#, claims);
        Self::new(scheme, (&format!("jti_{id}"), timestamp), vec![token.clone()], (id, &token, body))
    }
}

/// SHA-256, by another implementation than the core's.
fn aws_lc_sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}
