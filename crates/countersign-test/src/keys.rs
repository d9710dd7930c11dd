//! Keys that tests sign with, and their key sets.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::sign::{PrivateKey, TokenSigner};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use serde_json::{Value, json};

/// The Ed25519 key of this number.
pub fn key(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32])
}

/// Its public key, as a member of a key set.
pub fn jwk(number: u8) -> Value {
    key(number).jwk(&format!("key-{number}"))
}

/// A key set with the public keys of these numbers, as JSON.
pub fn key_set(numbers: &[u8]) -> String {
    json!({ "keys": numbers.iter().copied().map(jwk).collect::<Vec<_>>() }).to_string()
}

/// Issues RS256 tokens with an RSA key of its own.
#[derive(Clone)]
pub struct Issuer {
    der: Vec<u8>,
    kid: &'static str,
    modulus: Vec<u8>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Issuer {
    /// With a new key that has this id.
    pub fn new(kid: &'static str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        // For every key of this size, the PKCS#8 wrapper around PKCS#1 and the part before the modulus have the
        // same length.
        let (der, public) = (pair.serialize_der()[26..].to_vec(), pair.der_bytes());
        Self { der, kid, modulus: public[9..265].to_vec() }
    }

    /// The public key, as a member of a key set.
    pub fn jwk(&self) -> Value {
        let modulus = URL_SAFE_NO_PAD.encode(&self.modulus);
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": modulus, "e": "AQAB" })
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.token_naming(self.kid, claims)
    }

    /// The same, with another key id in its header.
    pub fn token_naming(&self, kid: &str, claims: &Value) -> String {
        let signer = TokenSigner::new(kid, &self.der.clone().into()).expect("an RSA key");
        let token = signer.sign(claims.as_object().expect("an object")).expect("a token");
        token.to_str().expect("visible ASCII").to_owned()
    }
}
