use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign::ReplayStore;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::Observed;
use super::body::{ObservedBody, Recording};
use super::future::ObserveFuture;
use crate::body::{ResponseBody, VerifiedBody};
use crate::policy::Policy;
use crate::sources::Sources;

/// Puts [`Observe`] around a service; made by
/// [`VerifyLayer::danger_observe`](crate::VerifyLayer::danger_observe).
#[must_use]
pub struct ObserveLayer<K, St> {
    policy: Policy<K, St>,
}

impl<K, St> ObserveLayer<K, St> {
    pub(crate) fn new(policy: Policy<K, St>) -> Self {
        Self { policy }
    }
}

impl<S, K, St> Layer<S> for ObserveLayer<K, St>
where
    K: Sources + Clone,
    St: ReplayStore + Clone,
{
    type Service = Observe<S, K, St>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe { inner, policy: Arc::new(self.policy.clone()) }
    }
}

impl<K: Clone, St: Clone> Clone for ObserveLayer<K, St> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone() }
    }
}

impl<K: fmt::Debug, St> fmt::Debug for ObserveLayer<K, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer").field("keys", &self.policy.keys).finish_non_exhaustive()
    }
}

/// Lets every request reach the service inside it, with what was found in its extensions; see
/// [`VerifyLayer::danger_observe`](crate::VerifyLayer::danger_observe).
pub struct Observe<S, K, St> {
    inner: S,
    policy: Arc<Policy<K, St>>,
}

impl<S, B, ResBody, K, St> Service<Request<B>> for Observe<S, K, St>
where
    S: Service<Request<ObservedBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body + Unpin,
    ResBody: Body,
    K: Sources,
    St: ReplayStore,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ObserveFuture<S, B, ResBody, K, St>;

    /// Always, as [`Verify`](crate::Verify) is.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ObserveFuture::new(self.inner.clone(), Arc::clone(&self.policy), request)
    }
}

impl<S: Clone, K, St> Clone for Observe<S, K, St> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, K: fmt::Debug, St> fmt::Debug for Observe<S, K, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observe").field("inner", &self.inner).field("keys", &self.policy.keys).finish_non_exhaustive()
    }
}

/// The service as [`Verify`](crate::Verify) calls it, with the body as it came in place of a copy.
pub(super) struct Passing<S, B: Body> {
    inner: S,
    recording: Recording<B>,
}

impl<S, B: Body> Passing<S, B> {
    pub(super) fn new(inner: S, recording: Recording<B>) -> Self {
        Self { inner, recording }
    }
}

impl<S, B> Service<Request<VerifiedBody>> for Passing<S, B>
where
    S: Service<Request<ObservedBody<B>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<VerifiedBody>) -> S::Future {
        let (mut head, _) = request.into_parts();
        head.extensions.insert(Observed::Passed);
        #[expect(clippy::expect_used, reason = "the body is taken once: here, or when this was not called")]
        let body = self.recording.take().expect("a verified delivery is handed over once");
        self.inner.call(Request::from_parts(head, body))
    }
}
