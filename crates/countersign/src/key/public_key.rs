//! Public keys of the `v1a` scheme.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::label::{label_or, thumbprint};
use crate::crypto::Ed25519Public;
use crate::encoding::decode_base64;

/// An Ed25519 public key (RFC 8032), for the `v1a` scheme.
///
/// ```
/// use countersign::PublicKey;
///
/// let key = PublicKey::parse("whpk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=")?;
/// # Ok::<(), countersign::key::PublicKeyError>(())
/// ```
#[derive(Clone)]
pub struct PublicKey {
    key: Ed25519Public,
    label: Arc<str>,
}

impl PublicKey {
    /// Parses a key as a sender shows it: `whpk_` and base64 of 32 bytes. Weak keys are rejected, because anyone can forge
    /// their signatures.
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        let encoded = text.strip_prefix("whpk_").ok_or(PublicKeyError::NoPrefix)?;
        let bytes = decode_base64(encoded).ok_or(PublicKeyError::NotBase64)?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| PublicKeyError::Length { len: bytes.len() })?;
        Self::from_bytes(&bytes, None).ok_or(PublicKeyError::Weak)
    }

    /// Sets the label for [`Verified`](crate::Verified), logs and headers: 1 to 64 visible ASCII characters. Default: the
    /// RFC 7638 thumbprint.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = label.into();
        self
    }

    /// The label, or the RFC 7638 thumbprint if none is set.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn from_bytes(bytes: &[u8; 32], name: Option<&str>) -> Option<Self> {
        let key = Ed25519Public::new(bytes)?;
        let thumbprint =
            || thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes)));
        Some(Self { key, label: label_or(name, thumbprint) })
    }

    pub(crate) fn shared_label(&self) -> Arc<str> {
        Arc::clone(&self.label)
    }

    pub(crate) fn key(&self) -> &Ed25519Public {
        &self.key
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("label", &self.label).finish_non_exhaustive()
    }
}

/// A text is not a valid public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The text does not start with `whpk_`.
    NoPrefix,
    /// The text is not base64.
    NotBase64,
    /// The key does not have 32 bytes.
    Length {
        /// The decoded length, in bytes.
        len: usize,
    },
    /// The key is not a point of the curve, or is weak, so that anyone can forge its signatures.
    Weak,
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrefix => {
                f.write_str("a public key starts with `whpk_`; a text that starts with `whsec_` is a secret")
            }
            Self::NotBase64 => f.write_str("the public key is not base64; its form is `whpk_` and base64"),
            Self::Length { len } => write!(f, "the public key has {len} bytes; an Ed25519 key has 32"),
            Self::Weak => {
                f.write_str("the public key is invalid or weak; anyone can forge the signatures of a weak key")
            }
        }
    }
}

impl std::error::Error for PublicKeyError {}
