use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign::{Clock, ReplayStore, Verifier};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::{ResponseBody, VerifiedBody};
use crate::future::ResponseFuture;
use crate::policy::Policy;
use crate::render::{ProblemDocument, RenderRejection};
use crate::report::OnReport;
use crate::sources::Sources;

/// Lets only verified deliveries reach the service inside it; see the [crate's](crate) documentation.
///
/// [`VerifyLayer`](crate::VerifyLayer) makes it.
pub struct Verify<S, St, C, K = Verifier, H = (), R = ProblemDocument> {
    inner: S,
    policy: Arc<Policy<St, C, K, H, R>>,
}

impl<S, St, C, K, H, R> Verify<S, St, C, K, H, R> {
    pub(crate) fn new(inner: S, policy: Arc<Policy<St, C, K, H, R>>) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, ResBody, St, C, K, H, R> Service<Request<B>> for Verify<S, St, C, K, H, R>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>> + Clone,
    B: Body,
    ResBody: Body,
    St: ReplayStore,
    C: Clock,
    K: Sources,
    H: OnReport,
    R: RenderRejection,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, ResBody, St, C, K, H, R>;

    /// Always: the service inside is asked when there is a verified delivery for it. Asked before, a
    /// stranger with a slow body would occupy a place that it has, or make it connect to a backend.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.inner.clone(), Arc::clone(&self.policy), request)
    }
}

impl<S: Clone, St, C, K, H, R> Clone for Verify<S, St, C, K, H, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, St, C, K: fmt::Debug, H, R> fmt::Debug for Verify<S, St, C, K, H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify").field("inner", &self.inner).field("keys", &self.policy.sources).finish_non_exhaustive()
    }
}
