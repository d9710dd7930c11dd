//! The keys of a JWKS document.

use std::fmt;
use std::str::FromStr;

use super::jwk::{Jwk, Usable};
use super::public_key::PublicKey;
use super::rsa::RsaKey;
use super::skipped::{SkipReason, SkippedKey};
use crate::json::{Object, Value};

/// The usable keys of a JWKS document (RFC 7517): Ed25519 (RFC 8037), and RSA of 2048 bits or more for RS256.
///
/// Keys that are malformed, weak or for another purpose are [skipped](Self::skipped), and so are keys whose private half is
/// in the document. A key that is repeated counts once.
#[derive(Clone, Default)]
pub struct KeySet {
    ed25519: Vec<PublicKey>,
    rsa: Vec<RsaKey>,
    skipped: Vec<SkippedKey>,
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
        let parsed: Vec<_> = keys.iter().map(Jwk::parse).collect();
        let private = parsed.iter().flatten().filter(|jwk| jwk.is_private);
        let exposed: Vec<_> = private.filter_map(|jwk| jwk.numbers().ok()).collect();
        let mut set = Self::default();
        for ((place, key), parsed) in (1..).zip(keys).zip(parsed) {
            match parsed.and_then(|jwk| jwk.usable()) {
                // The same key is also listed with its private half.
                Ok(usable) if exposed.iter().any(|other| other.has_same_private_half(&usable)) => {
                    set.skipped.push(SkippedKey::new(place, Jwk::kid(key), SkipReason::private()));
                }
                Ok(Usable::Ed25519(key)) if set.ed25519.iter().all(|other| other.key() != key.key()) => {
                    set.ed25519.push(key);
                }
                Ok(Usable::Rsa(key)) if !set.rsa.iter().any(|other| other.is_same(&key)) => set.rsa.push(key),
                Ok(_) => {}
                Err(reason) => set.skipped.push(SkippedKey::new(place, Jwk::kid(key), reason)),
            }
        }
        Ok(set)
    }

    /// The label and the scheme of each key.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let ed25519 = self.ed25519.iter().map(|key| (key.label(), "v1a"));
        ed25519.chain(self.rsa.iter().map(|key| (key.label(), "rs256")))
    }

    /// The keys that are not used, in the order of the document.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
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
