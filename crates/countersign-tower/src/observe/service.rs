use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign::{Clock, ReplayStore};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::Observed;
use super::body::{ObservedBody, Recording};
use super::future::ObserveFuture;
use crate::body::{ResponseBody, VerifiedBody};
use crate::policy::Policy;
use crate::render::RenderRejection;
use crate::report::OnReport;
use crate::sources::Sources;

/// Puts [`Observe`] around a service; made by
/// [`VerifyLayer::danger_observe`](crate::VerifyLayer::danger_observe).
#[must_use]
pub struct ObserveLayer<St, C, K, H, R> {
    policy: Policy<St, C, K, H, R>,
}

impl<St, C, K, H, R> ObserveLayer<St, C, K, H, R> {
    pub(crate) fn new(policy: Policy<St, C, K, H, R>) -> Self {
        Self { policy }
    }
}

impl<S, St, C, K, H, R> Layer<S> for ObserveLayer<St, C, K, H, R>
where
    St: ReplayStore + Clone,
    C: Clock + Clone,
    K: Sources + Clone,
    H: OnReport + Clone,
    R: RenderRejection + Clone,
{
    type Service = Observe<S, St, C, K, H, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe { inner, policy: Arc::new(self.policy.clone()) }
    }
}

impl<St: Clone, C: Clone, K: Clone, H: Clone, R: Clone> Clone for ObserveLayer<St, C, K, H, R> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone() }
    }
}

impl<St, C, K: fmt::Debug, H, R> fmt::Debug for ObserveLayer<St, C, K, H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer").field("keys", &self.policy.sources).finish_non_exhaustive()
    }
}

/// Lets every request reach the service inside it, with what was found in its extensions; see
/// [`VerifyLayer::danger_observe`](crate::VerifyLayer::danger_observe).
pub struct Observe<S, St, C, K, H, R> {
    inner: S,
    policy: Arc<Policy<St, C, K, H, R>>,
}

impl<S, B, ResBody, St, C, K, H, R> Service<Request<B>> for Observe<S, St, C, K, H, R>
where
    S: Service<Request<ObservedBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body + Unpin,
    ResBody: Body,
    St: ReplayStore,
    C: Clock,
    K: Sources,
    H: OnReport,
    R: RenderRejection,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ObserveFuture<S, B, ResBody, St, C, K, H, R>;

    /// Always, as [`Verify`](crate::Verify) is.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ObserveFuture::new(self.inner.clone(), Arc::clone(&self.policy), request)
    }
}

impl<S: Clone, St, C, K, H, R> Clone for Observe<S, St, C, K, H, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, St, C, K: fmt::Debug, H, R> fmt::Debug for Observe<S, St, C, K, H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observe")
            .field("inner", &self.inner)
            .field("keys", &self.policy.sources)
            .finish_non_exhaustive()
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
