use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign::{Clock, KeySource, ReplayStore, Verifier};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::{ResponseBody, VerifiedBody};
use crate::future::ResponseFuture;
use crate::layer::Policy;

/// Lets only verified deliveries reach the service inside it; see the [crate's](crate) documentation.
pub struct Verify<S, St, C, K = Verifier> {
    inner: S,
    policy: Arc<Policy<St, C, K>>,
}

impl<S, St, C, K> Verify<S, St, C, K> {
    pub(crate) fn new(inner: S, policy: Arc<Policy<St, C, K>>) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, ResBody, St, C, K> Service<Request<B>> for Verify<S, St, C, K>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>> + Clone,
    B: Body,
    St: ReplayStore,
    C: Clock,
    K: KeySource,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, ResBody, St, C, K>;

    /// Always: the service inside is asked when there is a verified delivery for it. Asked before, a
    /// stranger with a slow body would occupy a place that it has, or make it connect to a backend.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.inner.clone(), Arc::clone(&self.policy), request)
    }
}

impl<S: Clone, St, C, K> Clone for Verify<S, St, C, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, St, C, K: fmt::Debug> fmt::Debug for Verify<S, St, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify").field("inner", &self.inner).field("keys", &self.policy.keys).finish_non_exhaustive()
    }
}
