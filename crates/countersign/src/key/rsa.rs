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
    /// Creates a key from the members `n`, `e` and `kid` of a JWK. A token names its key, so a key needs a `kid`.
    pub(super) fn from_jwk(n: Option<&str>, e: Option<&str>, kid: Option<&str>) -> Option<Self> {
        let decode = |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok();
        let (n, e, id) = (decode(n)?, decode(e)?, kid?.to_owned());
        let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(without_leading_zeros(number));
        let thumbprint = || thumbprint(&format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(&e), encode(&n)));
        let label = label_or(Some(&id), thumbprint);
        Some(Self { key: RsaPublic::new(&n, &e)?, label, id })
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether both keys verify the same tokens.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.key == other.key
    }
}
