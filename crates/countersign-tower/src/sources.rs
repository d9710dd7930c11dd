//! Whose delivery a request claims to be: the keys are chosen by its head.

use std::fmt;

use countersign::Verifier;
use countersign::key_source::KeySource;
use http::request;

/// Chooses the source whose keys a request is verified with.
///
/// Every [`KeySource`] that is [`Clone`] is one: a [`Verifier`], or an [`Arc`](std::sync::Arc) of keys that change.
/// They serve all requests alike.
/// [`PerRequest`] chooses by path, host or header.
///
/// The head has not been verified when it is asked: it says whose delivery this claims to be, and
/// choosing wrongly ends in a rejection, since another source's keys do not fit. What an implementation
/// must not do is to choose a source that whoever sends the request controls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not provide keys for requests",
    note = "pass a `Verifier`, another `KeySource` that is `Clone` (in an `Arc`, for example), or `PerRequest::new(|head| …)`"
)]
pub trait Sources: Send + Sync + 'static {
    /// What it chooses.
    type Keys: KeySource;

    /// The keys for this request; `None` if no source is known for it: it is rejected with 404
    /// ([`Rejection::UnknownSource`](crate::Rejection::UnknownSource)). It is called once for a request.
    fn keys_for(&self, head: &request::Parts) -> Option<Self::Keys>;

    /// The verifier for every request, if there is only one: the layer then checks when it is put around a service
    /// that its store remembers ids for long enough. Default: `None`, and each request is checked.
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

/// A function of the head that chooses the keys.
///
/// It gives a [`KeySource`] that is cheap to clone: a [`Verifier`], or an [`Arc`](std::sync::Arc) of keys
/// that change. All share the layer's other settings, its store included, in which the ids of sources of
/// different names do not mix. Routes that differ in more have a layer each.
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
    /// Chooses with `choose`, which is called once for a request.
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
