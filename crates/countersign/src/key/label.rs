use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto;
use crate::name::is_source_name;

/// The name if it is valid in a header, otherwise the thumbprint.
pub(super) fn label_or(name: Option<&str>, thumbprint: impl FnOnce() -> String) -> std::sync::Arc<str> {
    name.filter(|name| is_source_name(name)).map_or_else(|| thumbprint().into(), Into::into)
}

pub(super) fn thumbprint(canonical: &str) -> String {
    URL_SAFE_NO_PAD.encode(crypto::sha256(canonical.as_bytes()))
}
