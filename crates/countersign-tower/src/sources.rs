//! Whose delivery a request claims to be: the keys are chosen by its head.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use countersign::{KeySource, Refreshed, Verifier};
use http::request;
use pin_project_lite::pin_project;

/// Chooses the source whose keys a request is verified with.
///
/// Every [`KeySource`] is one: a [`Verifier`], or keys that change, which serve all requests alike.
/// [`PerRequest`] chooses by path, host or header.
///
/// The head has not been verified when it is asked: it says whose delivery this claims to be, and
/// choosing wrongly ends in a rejection, since another source's keys do not fit. What an implementation
/// must not do is to choose a source that whoever sends the request controls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not provide keys for requests",
    note = "pass a `Verifier`, another `KeySource`, or `PerRequest::new(|head| …)`"
)]
pub trait Sources: Send + Sync + 'static {
    /// The answer to come of [`refresh_for`](Self::refresh_for).
    type Refreshing: Future<Output = Refreshed> + Send;

    /// The verifier for this request; `None` if no source is known for it: it is rejected with 404
    /// ([`Rejection::UnknownSource`](crate::Rejection::UnknownSource)).
    fn verifier_for(&self, head: &request::Parts) -> Option<Verifier>;

    /// Looks for keys that `tried` does not have; see [`KeySource::refresh`].
    fn refresh_for(&self, head: &request::Parts, tried: &Verifier) -> Self::Refreshing;

    /// The verifier for every request, if there is only one: the layer then checks when it is put around a service
    /// that its store remembers ids for long enough. Default: `None`, and each request is checked.
    fn only_verifier(&self) -> Option<Verifier> {
        None
    }
}

impl<K: KeySource> Sources for K {
    type Refreshing = K::Refreshing;

    fn only_verifier(&self) -> Option<Verifier> {
        Some(self.verifier())
    }

    fn verifier_for(&self, _: &request::Parts) -> Option<Verifier> {
        Some(self.verifier())
    }

    fn refresh_for(&self, _: &request::Parts, tried: &Verifier) -> K::Refreshing {
        self.refresh(tried)
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
    /// Chooses with `choose`. It gives the same for the same head: where newer keys could make a
    /// difference, it is asked again.
    pub fn new(choose: F) -> Self {
        Self { choose }
    }
}

impl<F, K> Sources for PerRequest<F>
where
    F: Fn(&request::Parts) -> Option<K> + Send + Sync + 'static,
    K: KeySource,
{
    type Refreshing = Refreshing<K::Refreshing>;

    fn verifier_for(&self, head: &request::Parts) -> Option<Verifier> {
        (self.choose)(head).map(|keys| keys.verifier())
    }

    fn refresh_for(&self, head: &request::Parts, tried: &Verifier) -> Self::Refreshing {
        match (self.choose)(head) {
            Some(keys) => Refreshing { kind: Kind::Known { refreshing: keys.refresh(tried) } },
            None => Refreshing { kind: Kind::Unknown },
        }
    }
}

impl<F> fmt::Debug for PerRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerRequest(..)")
    }
}

pin_project! {
    /// Looks for newer keys of the source that [`PerRequest`] chose.
    #[derive(Debug)]
    pub struct Refreshing<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjection]
    enum Kind<F> {
        Known { #[pin] refreshing: F },
        Unknown,
    }
}

impl<F: Future<Output = Refreshed>> Future for Refreshing<F> {
    type Output = Refreshed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Refreshed> {
        match self.project().kind.project() {
            KindProjection::Known { refreshing } => refreshing.poll(cx),
            // A source that is gone by now has no newer keys.
            KindProjection::Unknown => Poll::Ready(Refreshed::Unchanged),
        }
    }
}
