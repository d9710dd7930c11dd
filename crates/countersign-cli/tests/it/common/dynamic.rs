//! Dynamic deliveries: Ed25519 signatures and RS256 tokens, and the key sets for them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::sign::{PrivateKey, Signer, TokenSigner};
use countersign::{MessageId, UnixTime};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

use super::{BODY, Captured, ID, NOW};

pub(crate) const AUDIENCE: &str = "https://hooks.example.com/gemini";
pub(crate) const ISSUER: &str = "https://generativelanguage.googleapis.com";
/// An RSA key of these tests alone: PKCS#1.
pub(crate) const RSA: &[u8] = include_bytes!("../../data/rsa-2048.der");

pub(crate) fn private_key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

/// As a sender keeps it.
pub(crate) fn private_text(seed: u8) -> String {
    format!("whsk_{}", base64::engine::general_purpose::STANDARD.encode([seed; 32]))
}

pub(crate) fn rsa_jwk(kid: &str) -> Value {
    // Behind the two headers and the version stand those of the modulus, and its leading zero.
    json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(&RSA[12..268]) })
}

/// Three Ed25519 keys, as Google's set has them, and an RSA key.
pub(crate) fn jwks() -> Value {
    let keys: Vec<_> =
        (1..=3).map(|seed| private_key(seed).jwk(&format!("key-{seed}"))).chain([rsa_jwk("rsa-1")]).collect();
    json!({ "keys": keys })
}

/// A `v1a` delivery, signed with the second key of the set, which is given.
pub(crate) fn v1a(now: u64, body: &str) -> Captured {
    v1a_by(2, now, body).jwks(&jwks())
}

pub(crate) fn v1a_by(seed: u8, now: u64, body: &str) -> Captured {
    let signer = Signer::with_keys([], [private_key(seed)]).expect("a signer");
    let id = MessageId::parse(ID).expect("a good id");
    Captured::of(&signer.sign(&id, UnixTime::from_secs(now), body.as_bytes()), body)
}

/// The claims of a token for `BODY`.
pub(crate) fn claims() -> Map<String, Value> {
    let mut claims: Map<String, Value> = serde_json::from_str(BODY).expect("an object");
    claims.extend(registered());
    claims
}

/// What is said of the token itself.
pub(crate) fn registered() -> Map<String, Value> {
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, "jti": "jti-1" });
    claims.as_object().expect("an object").clone()
}

/// A delivery of `BODY` with a token of these claims; key set and audience are given.
pub(crate) fn token(claims: &Map<String, Value>) -> Captured {
    with_token(&token_text("rsa-1", claims)).jwks(&jwks()).args(["--audience", AUDIENCE])
}

pub(crate) fn token_text(kid: &str, claims: &Map<String, Value>) -> String {
    let signer = TokenSigner::new(kid, &RSA.to_vec().into()).expect("a signer");
    signer.sign(claims).expect("a token").to_str().expect("ASCII").to_owned()
}

/// A token that nobody signed.
pub(crate) fn forged(header: &Value, claims: &Map<String, Value>) -> String {
    let encode = |value: String| URL_SAFE_NO_PAD.encode(value);
    format!("{}.{}.c2ln", encode(header.to_string()), encode(Value::from(claims.clone()).to_string()))
}

pub(crate) fn with_token(token: &str) -> Captured {
    let head = HeaderMap::from_iter([
        (WEBHOOK_ID, HeaderValue::from_static(ID)),
        (WEBHOOK_TIMESTAMP, HeaderValue::from(NOW)),
        (WEBHOOK_SIGNATURE, HeaderValue::from_str(token).expect("ASCII")),
    ]);
    Captured::of(&head, BODY)
}

impl Captured {
    /// Gives this key set.
    pub(crate) fn jwks(self, set: &Value) -> Self {
        let path = self.write("jwks.json", set.to_string());
        self.args(["--jwks", &path])
    }
}
