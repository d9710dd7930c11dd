//! The keys of the targets, and signatures that other implementations than the core's make with them.

use std::sync::LazyLock;

use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign::sign::PrivateKey;
use countersign::{KeySet, Secret};
use serde_json::{Value, json};

/// When all requests arrive.
pub(crate) const NOW: u64 = 1_790_661_946;
pub(crate) const AUDIENCE: &str = "https://hooks.example.com/gemini";
pub(crate) const KID: &str = "rsa-1";
const SECRET: [u8; 24] = *b"a secret for the fuzzers";
const SEED: [u8; 32] = *b"an Ed25519 key for the fuzzers .";
/// The RSA key of the core's tests: PKCS#1.
const RSA: &[u8] = include_bytes!("../../crates/countersign/tests/data/rsa-2048.der");

static ED25519: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&SEED).expect("a seed of 32 bytes"));
static RSA_KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::from_der(RSA).expect("an RSA key"));

pub(crate) fn secret() -> Secret {
    Secret::from_bytes(&SECRET).expect("a secret of 24 bytes")
}

pub(crate) fn jwks() -> Value {
    // Behind two headers and the version stand the modulus' header, its leading zero, and itself.
    let modulus = URL_SAFE_NO_PAD.encode(&RSA[12..268]);
    json!({ "keys": [
        PrivateKey::from_seed(&SEED).jwk("ed-1"),
        { "kty": "RSA", "kid": KID, "e": "AQAB", "n": modulus },
    ] })
}

pub(crate) fn key_set() -> KeySet {
    KeySet::parse(jwks().to_string().as_bytes()).expect("a key set")
}

/// The entry of a `v1` signature over the concatenation of these parts.
pub(crate) fn v1(parts: &[&[u8]]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), &parts.concat());
    format!("v1,{}", STANDARD.encode(tag))
}

/// The entry of a `v1a` signature over the concatenation of these parts.
pub(crate) fn v1a(parts: &[&[u8]]) -> String {
    format!("v1a,{}", STANDARD.encode(ED25519.sign(&parts.concat())))
}

/// A token with this header and these claims, signed with the RSA key.
pub(crate) fn token(header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut signature = [0; 256];
    RSA_KEY.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), input.as_bytes(), &mut signature).expect("a signature");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
