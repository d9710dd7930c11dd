//! Genuine deliveries in every scheme, and the verifier that takes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::sign::{PrivateKey, Signer, TokenSigner};
use countersign::verifier::VerifierBuilder;
use countersign::{KeySet, MessageId, Rejection, Secret, TokenPolicy, UnixTime, Verified, Verifier};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

pub(crate) const NOW: u64 = 1_790_661_946;
pub(crate) const ID: &str = "msg_e5e04f02";
pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const AUDIENCE: &str = "https://hooks.example.com/gemini";
pub(crate) const ISSUER: &str = "https://issuer.example.com";
/// With white space, numbers, a list, escapes and names that differ in case alone.
pub(crate) const BODY: &str =
    r#"{"type":"batch.succeeded", "Type": [1, -2.5e3, true, null],"data":{"id":"b\u00e9 1","n":12345678901234567890}}"#;
/// An RSA key of these tests alone: PKCS#1.
pub(crate) const RSA: &[u8] = include_bytes!("../../data/rsa-2048.der");

pub(crate) fn private_key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

/// Behind two headers and the version stand the modulus' header, its leading zero, and itself.
pub(crate) fn modulus() -> Vec<u8> {
    RSA[12..268].to_vec()
}

pub(crate) fn rsa_jwk(kid: &str) -> Value {
    json!({ "kty": "RSA", "kid": kid, "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus()) })
}

pub(crate) fn ed25519_jwks(seeds: impl IntoIterator<Item = u8>) -> Vec<Value> {
    seeds.into_iter().map(|seed| private_key(seed).jwk(&format!("key-{seed}"))).collect()
}

pub(crate) fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set")
}

/// Takes `v1`, `v1a` with three keys, and tokens.
pub(crate) fn builder() -> VerifierBuilder {
    let keys = [ed25519_jwks(1..=3), vec![rsa_jwk("rsa-1")]].concat();
    Verifier::builder("test")
        .secret(Secret::parse(SECRET).expect("a secret"))
        .key_set(set(&keys))
        .token(TokenPolicy::new([AUDIENCE]))
}

pub(crate) fn verifier() -> Verifier {
    builder().build().expect("a verifier")
}

pub(crate) fn verify(verifier: &Verifier, headers: &HeaderMap, body: &[u8]) -> Result<Verified, Rejection> {
    verifier.begin(headers, UnixTime::from_secs(NOW))?.finish(Bytes::copy_from_slice(body))
}

pub(crate) fn signed(signer: &Signer, body: &[u8]) -> HeaderMap {
    signer.sign(&MessageId::parse(ID).expect("an id"), UnixTime::from_secs(NOW), body)
}

pub(crate) fn v1(body: &[u8]) -> HeaderMap {
    signed(&Signer::new([Secret::parse(SECRET).expect("a secret")]).expect("a signer"), body)
}

pub(crate) fn v1a(seed: u8, body: &[u8]) -> HeaderMap {
    signed(&Signer::with_keys([], [private_key(seed)]).expect("a signer"), body)
}

/// What a token says of itself.
pub(crate) fn registered() -> Map<String, Value> {
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, "jti": "jti-1" });
    claims.as_object().expect("an object").clone()
}

/// The claims of a token for `BODY`, but for the numbers that a `Value` may write differently.
pub(crate) fn payload() -> String {
    let registered = Value::from(registered()).to_string();
    format!("{},{}", BODY.strip_suffix('}').expect("an object"), &registered[1..])
}

/// A token that is signed with the RSA key, whatever its header and its claims say.
pub(crate) fn token_of(header: &str, payload: &str) -> String {
    use jsonwebtoken::{Algorithm, EncodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::RS256, &EncodingKey::from_rsa_der(RSA));
    let signature = signer.expect("a signer").try_sign(input.as_bytes()).expect("a signature");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(crate) fn token(payload: &str) -> HeaderMap {
    beside(&token_of(r#"{"alg":"RS256","kid":"rsa-1"}"#, payload))
}

/// The headers of a delivery with this token.
pub(crate) fn beside(token: &str) -> HeaderMap {
    HeaderMap::from_iter([
        (WEBHOOK_ID, HeaderValue::from_static(ID)),
        (WEBHOOK_TIMESTAMP, HeaderValue::from(NOW)),
        (WEBHOOK_SIGNATURE, HeaderValue::from_str(token).expect("ASCII")),
    ])
}

pub(crate) fn token_signer() -> TokenSigner {
    TokenSigner::new("rsa-1", &RSA.to_vec().into()).expect("a signer")
}

pub(crate) fn reason(verdict: Result<Verified, Rejection>) -> &'static str {
    verdict.map_or_else(|rejection| rejection.reason().as_str(), |_| "verified")
}
