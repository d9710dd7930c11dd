//! Private keys of the `v1a` scheme.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::crypto::{ED25519_LEN, Ed25519Private};
use crate::encoding::decode_base64;

/// An Ed25519 private key, for the `v1a` scheme. `Debug` shows only the public key, and the key is zeroed on drop.
#[derive(Clone)]
pub struct PrivateKey(Ed25519Private);

impl PrivateKey {
    /// Parses `whsk_` and base64 of the 32-byte seed, or of the seed and the public key (64 bytes).
    pub fn parse(text: &str) -> Result<Self, PrivateKeyError> {
        let encoded = text.strip_prefix("whsk_").ok_or(PrivateKeyError)?;
        let bytes = decode_base64(encoded).ok_or(PrivateKeyError)?;
        let (seed, public) = bytes.split_at_checked(32).ok_or(PrivateKeyError)?;
        let key = Self::from_seed(seed.try_into().map_err(|_| PrivateKeyError)?);
        if public.is_empty() || public == key.0.public() { Ok(key) } else { Err(PrivateKeyError) }
    }

    /// Creates the key from its seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519Private::new(seed))
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; ED25519_LEN] {
        self.0.sign(message)
    }

    /// The public key as `whpk_` and base64, for receivers.
    pub fn public(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0.public()))
    }

    /// The public key as a JWK with this `kid`.
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

/// A text is not a valid private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateKeyError;

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "invalid private key: use `whsk_` and base64 of the 32-byte seed, or of the seed and its public key",
        )
    }
}

impl std::error::Error for PrivateKeyError {}
