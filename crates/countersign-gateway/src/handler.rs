//! The service inside the layer of a route.

use std::convert::Infallible;
use std::task::{Context, Poll};

use countersign_tower::DeliveryBody;
use http::{Request, Response};
use tower_service::Service;

use crate::forward::{Body, Forward};
use crate::inbox::Enqueue;

/// Forwards a verified request, or stores it for later.
#[derive(Clone)]
pub enum Handler {
    /// The sender gets the backend's response.
    Direct(Forward),
    /// The message is stored, and delivered afterwards.
    Inbox(Enqueue),
}

impl Service<Request<DeliveryBody>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Forward as Service<Request<DeliveryBody>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Both are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<DeliveryBody>) -> Self::Future {
        match self {
            Self::Direct(forward) => forward.call(request),
            Self::Inbox(enqueue) => enqueue.call(request),
        }
    }
}
