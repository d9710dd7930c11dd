//! The contract of key sources.

use std::future::{Ready, ready};

use crate::verifier::Verifier;

/// Provides the current verifier, and a newer one if a key is missing.
///
/// An implementation must limit how often it looks for new keys. Forged requests can call
/// [`refresh`](Self::refresh) at any rate, so it must not fetch keys on every call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of keys",
    note = "use a `Verifier`, an `Arc<SwapKeys>` for keys that are replaced at run time, or `RemoteKeys` of `countersign-jwks` for keys from a JWKS"
)]
pub trait KeySource: Send + Sync + 'static {
    /// The future of [`refresh`](Self::refresh).
    type Refreshing: Future<Output = Refreshed> + Send;

    /// The verifier with the current keys.
    fn verifier(&self) -> Verifier;

    /// Looks for newer keys. It is called if `tried` may have rejected a request because a key is missing
    /// ([`Rejection::wants_public_key`](crate::Rejection::wants_public_key)).
    fn refresh(&self, tried: &Verifier) -> Self::Refreshing;
}

/// The result of [`KeySource::refresh`].
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// There are newer keys. Verify again with this verifier.
    Newer(Verifier),
    /// There are no newer keys. The rejection is final.
    Unchanged,
    /// Newer keys may exist, but they cannot be fetched now. The sender must retry later.
    Unavailable,
}

impl KeySource for Verifier {
    type Refreshing = Ready<Refreshed>;

    fn verifier(&self) -> Verifier {
        self.clone()
    }

    fn refresh(&self, _: &Verifier) -> Self::Refreshing {
        ready(Refreshed::Unchanged)
    }
}

impl<K: KeySource> KeySource for std::sync::Arc<K> {
    type Refreshing = K::Refreshing;

    fn verifier(&self) -> Verifier {
        K::verifier(self)
    }

    fn refresh(&self, tried: &Verifier) -> K::Refreshing {
        K::refresh(self, tried)
    }
}
