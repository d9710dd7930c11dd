//! The keys of a JWKS document.

use std::fmt;
use std::str::FromStr;

use super::jwk::Jwk;
use super::public_key::PublicKey;
use super::rsa::RsaKey;
use crate::json::{Object, Value};

/// The usable keys of a JWKS document (RFC 7517): Ed25519 (RFC 8037), and RSA of 2048 bits or more for RS256.
///
/// Keys that are malformed, weak, repeated or for another purpose are ignored.
#[derive(Clone, Default)]
pub struct KeySet {
    ed25519: Vec<PublicKey>,
    rsa: Vec<RsaKey>,
}

impl KeySet {
    /// The maximum size of a document, in bytes.
    pub const MAX_DOCUMENT: usize = 256 * 1024;
    /// The maximum number of keys in a document.
    pub const MAX_KEYS: usize = 64;

    /// Parses a document of at most [`MAX_DOCUMENT`](Self::MAX_DOCUMENT) bytes and [`MAX_KEYS`](Self::MAX_KEYS) keys.
    /// A document without a usable key returns an empty set, not an error.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > Self::MAX_DOCUMENT {
            return Err(KeySetError::TooLarge);
        }
        let document = Object::parse(document).ok_or(KeySetError::NotAKeySet)?;
        let Some(Value::Array(keys)) = document.get("keys") else { return Err(KeySetError::NotAKeySet) };
        if keys.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self::default();
        for key in keys {
            let Some(jwk) = Jwk::parse(key) else { continue };
            let is_new = |key: &PublicKey| !set.ed25519.iter().any(|other| other.key() == key.key());
            if let Some(key) = jwk.ed25519().filter(is_new) {
                set.ed25519.push(key);
            }
            if let Some(key) = jwk.rsa().filter(|key| !set.rsa.iter().any(|other| other.is_same(key))) {
                set.rsa.push(key);
            }
        }
        Ok(set)
    }

    /// The label and the scheme of each key.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let ed25519 = self.ed25519.iter().map(|key| (key.label(), "v1a"));
        ed25519.chain(self.rsa.iter().map(|key| (key.label(), "rs256")))
    }

    /// The number of usable keys.
    pub fn len(&self) -> usize {
        self.ed25519.len() + self.rsa.len()
    }

    /// Whether there is no usable key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn ed25519(&self) -> &[PublicKey] {
        &self.ed25519
    }

    #[cfg(feature = "rs256")]
    pub(crate) fn rsa(&self) -> &[RsaKey] {
        &self.rsa
    }
}

impl FromStr for KeySet {
    type Err = KeySetError;

    fn from_str(document: &str) -> Result<Self, KeySetError> {
        Self::parse(document.as_bytes())
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.labels()).finish()
    }
}

/// A document is not a valid key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// The document has more than [`KeySet::MAX_DOCUMENT`] bytes.
    TooLarge,
    /// The document is not a JSON object with an array `keys`.
    NotAKeySet,
    /// The document has more than [`KeySet::MAX_KEYS`] keys.
    TooManyKeys,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "the key set has more than {} bytes", KeySet::MAX_DOCUMENT),
            Self::NotAKeySet => f.write_str("this is not a key set, which is a JSON object with an array `keys`"),
            Self::TooManyKeys => write!(f, "the key set has more than {} keys", KeySet::MAX_KEYS),
        }
    }
}

impl std::error::Error for KeySetError {}
