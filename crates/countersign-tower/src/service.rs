use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign::{Clock, ReplayStore};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::{ResponseBody, VerifiedBody};
use crate::future::ResponseFuture;
use crate::layer::Policy;

/// Lets only verified deliveries reach the service inside it; see the [crate's](crate) documentation.
pub struct Verify<S, St, C> {
    inner: S,
    policy: Arc<Policy<St, C>>,
}

impl<S, St, C> Verify<S, St, C> {
    pub(crate) fn new(inner: S, policy: Arc<Policy<St, C>>) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, ResBody, St, C> Service<Request<B>> for Verify<S, St, C>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>> + Clone,
    B: Body,
    St: ReplayStore,
    C: Clock,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, ResBody, St, C>;

    /// Always: the service inside is asked when there is a verified delivery for it. Asked before, a
    /// stranger with a slow body would occupy a place that it has, or make it connect to a backend.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.inner.clone(), Arc::clone(&self.policy), request)
    }
}

impl<S: Clone, St, C> Clone for Verify<S, St, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, St, C> fmt::Debug for Verify<S, St, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify")
            .field("inner", &self.inner)
            .field("verifier", &self.policy.verifier)
            .finish_non_exhaustive()
    }
}
