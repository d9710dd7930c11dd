use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign::Verifier;
use countersign::replay::{MemoryStore, ReplayStore};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::{BodyError, DeliveryBody, ResponseBody};
use crate::policy::Policy;
use crate::sources::Sources;
use crate::verify::future::ResponseFuture;

/// Passes only verified deliveries to the inner service. See the [crate documentation](crate).
///
/// [`VerifyLayer`](crate::VerifyLayer) creates it.
pub struct Verify<S, K = Verifier, St = Arc<MemoryStore>> {
    inner: S,
    policy: Arc<Policy<K, St>>,
}

impl<S, K, St> Verify<S, K, St> {
    pub(crate) fn new(inner: S, policy: Arc<Policy<K, St>>) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, ResBody, K, St> Service<Request<B>> for Verify<S, K, St>
where
    S: Service<Request<DeliveryBody>, Response = Response<ResBody>> + Clone,
    B: Body<Error: Into<BodyError>> + Send + 'static,
    ResBody: Body,
    K: Sources,
    St: ReplayStore,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, ResBody, K, St>;

    /// Always ready. The inner service is polled only when there is a verified delivery for it. Otherwise, an
    /// unverified request with a slow body could occupy its capacity, or make it connect to a backend.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.inner.clone(), Arc::clone(&self.policy), request)
    }
}

impl<S: Clone, K, St> Clone for Verify<S, K, St> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, K: fmt::Debug, St> fmt::Debug for Verify<S, K, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify").field("inner", &self.inner).field("keys", &self.policy.keys).finish_non_exhaustive()
    }
}
