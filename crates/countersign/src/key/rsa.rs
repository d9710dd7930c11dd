//! RSA keys of a key set.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::label::{label_or, thumbprint};
use crate::crypto::{RsaPublic, without_leading_zeros};

/// An RSA key with the `kid` that tokens use.
#[derive(Clone)]
pub(crate) struct RsaKey {
    pub(crate) id: String,
    pub(crate) label: Arc<str>,
    pub(crate) key: RsaPublic,
}

impl RsaKey {
    /// Creates a key from its modulus and exponent, both big-endian, and its `kid`.
    pub(super) fn new(n: &[u8], e: &[u8], kid: &str) -> Option<Self> {
        let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(without_leading_zeros(number));
        let thumbprint = || thumbprint(&format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n)));
        let label = label_or(Some(kid), thumbprint);
        Some(Self { key: RsaPublic::new(n, e)?, label, id: kid.to_owned() })
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether both keys verify the same tokens.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.key == other.key
    }
    /// Whether both are the same key, whatever their names are.
    pub(super) fn has_same_numbers(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
