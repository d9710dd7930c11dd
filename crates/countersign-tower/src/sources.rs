//! Chooses the source of a request, and so its keys, by its head.

use std::fmt;

use countersign::Verifier;
use countersign::key_source::KeySource;
use http::request;

/// Chooses the source whose keys a request is verified with.
///
/// Every [`KeySource`] that implements [`Clone`] is one, and uses the same keys for all requests: for example a
/// [`Verifier`], or an [`Arc`](std::sync::Arc) of keys that change. [`PerRequest`] chooses by path, host or header.
///
/// The head is not verified yet. It only names the source that the request claims to be from. A wrong choice ends in
/// a rejection, because the keys of another source do not match. An implementation must not choose a source whose
/// keys the client of the request controls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not provide keys for requests",
    note = "pass a `Verifier`, another `KeySource` that is `Clone` (in an `Arc`, for example), or `PerRequest::new(|head| …)`"
)]
pub trait Sources: Send + Sync + 'static {
    /// The type of the keys.
    type Keys: KeySource;

    /// Returns the keys for this request, or `None` if it has no known source. It is then rejected with 404
    /// ([`Rejection::UnknownSource`](crate::Rejection::UnknownSource)). Called once for each request.
    fn keys_for(&self, head: &request::Parts) -> Option<Self::Keys>;

    /// Returns the verifier, if all requests have the same. The layer then checks once, when it is put around a
    /// service, that its store remembers ids for long enough. Default: `None`, and the layer checks for each request.
    fn only_verifier(&self) -> Option<Verifier> {
        None
    }
}

impl<K: KeySource + Clone> Sources for K {
    type Keys = K;

    fn keys_for(&self, _: &request::Parts) -> Option<K> {
        Some(self.clone())
    }

    fn only_verifier(&self) -> Option<Verifier> {
        Some(self.verifier())
    }
}

/// Chooses the keys of each request with a function of its head.
///
/// The function returns a [`KeySource`] that is cheap to clone: a [`Verifier`], or an [`Arc`](std::sync::Arc) of keys
/// that change. All sources share the other settings of the layer, including its store, which keeps the ids of
/// sources with different names apart. If routes need different settings, give each a layer of its own.
///
/// ```
/// use countersign::{Secret, Verifier};
/// use countersign_tower::{PerRequest, VerifyLayer};
///
/// let secret = |text| Secret::parse(text);
/// let gemini = Verifier::builder("gemini").secret(secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?).build()?;
/// let billing = Verifier::builder("billing").secret(secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")?).build()?;
/// let layer = VerifyLayer::new(PerRequest::new(move |head| match head.uri.path() {
///     "/gemini" => Some(gemini.clone()),
///     "/billing" => Some(billing.clone()),
///     _ => None,
/// }));
/// # drop(layer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In axum, a layer inside [`Router::nest`] sees the path without the prefix.
///
/// [`Router::nest`]: https://docs.rs/axum/latest/axum/struct.Router.html#method.nest
#[derive(Clone, Copy)]
pub struct PerRequest<F> {
    choose: F,
}

impl<F, K> PerRequest<F>
where
    F: Fn(&request::Parts) -> Option<K> + Send + Sync + 'static,
    K: KeySource,
{
    /// Chooses with `choose`, which is called once for each request.
    pub fn new(choose: F) -> Self {
        Self { choose }
    }
}

impl<F, K> Sources for PerRequest<F>
where
    F: Fn(&request::Parts) -> Option<K> + Send + Sync + 'static,
    K: KeySource,
{
    type Keys = K;

    fn keys_for(&self, head: &request::Parts) -> Option<K> {
        (self.choose)(head)
    }
}

impl<F> fmt::Debug for PerRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerRequest(..)")
    }
}
