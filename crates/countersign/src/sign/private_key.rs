//! Private keys of the `v1a` scheme.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::crypto::{ED25519_LEN, Ed25519Private};
use crate::encoding::decode_base64;

/// A private key of the `v1a` scheme (Ed25519). `Debug` redacts it, and it is zeroed on drop.
#[derive(Clone)]
pub struct PrivateKey(Ed25519Private);

impl PrivateKey {
    /// Reads `whsk_` and base64 of the seed of 32 bytes, or of seed and public key, which are 64.
    pub fn parse(text: &str) -> Result<Self, PrivateKeyError> {
        let encoded = text.strip_prefix("whsk_").ok_or(PrivateKeyError)?;
        let bytes = decode_base64(encoded).ok_or(PrivateKeyError)?;
        let (seed, public) = bytes.split_at_checked(32).ok_or(PrivateKeyError)?;
        let key = Self::from_seed(seed.try_into().map_err(|_| PrivateKeyError)?);
        if public.is_empty() || public == key.0.public() { Ok(key) } else { Err(PrivateKeyError) }
    }

    /// The key of this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519Private::new(seed))
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; ED25519_LEN] {
        self.0.sign(message)
    }

    /// The public key as a receiver pins it: `whpk_` and base64.
    pub fn public(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0.public()))
    }

    /// The public key as a member of a JWKS document, under this `kid`.
    pub fn jwk(&self, kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": URL_SAFE_NO_PAD.encode(self.0.public()) })
    }
}

impl FromStr for PrivateKey {
    type Err = PrivateKeyError;

    fn from_str(text: &str) -> Result<Self, PrivateKeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public())
    }
}

/// A text is not a private key: `whsk_` and base64 of 32 or 64 bytes that fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateKeyError;

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a private key is `whsk_`, then base64 of 32 bytes, or of 64 with the public key behind them")
    }
}

impl std::error::Error for PrivateKeyError {}
