use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::Verified;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::sync::{oneshot, watch};
use tower::Service;

use super::soon;

/// The action of the handler for a delivery.
pub(crate) enum Action {
    Status(u16),
    /// Wait for the status of the response; for ever, if the sender of the status is dropped.
    Wait(oneshot::Receiver<u16>),
    Fail,
    PanicInCall,
    PanicInFuture,
}

/// The parts of a delivery that the handler saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) verified: Option<Verified>,
}

/// A service with one programmed action for each delivery, and 200 after these.
#[derive(Clone, Default)]
pub(crate) struct Handler(Arc<Shared>);

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Action>>,
    seen: Mutex<Vec<Seen>>,
    calls: watch::Sender<usize>,
    dropped: watch::Sender<usize>,
}

#[derive(Debug)]
pub(crate) struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler failed")
    }
}

impl std::error::Error for Failure {}

impl Handler {
    /// Does these actions for the next deliveries.
    pub(crate) fn with_actions(actions: impl IntoIterator<Item = Action>) -> Self {
        let handler = Self::default();
        handler.0.script.lock().unwrap_or_else(PoisonError::into_inner).extend(actions);
        handler
    }

    /// Holds the next delivery until the test sends a status.
    pub(crate) fn waiting() -> (Self, oneshot::Sender<u16>) {
        let (tell, told) = oneshot::channel();
        (Self::with_actions([Action::Wait(told)]), tell)
    }

    /// How many deliveries reached it.
    pub(crate) fn calls(&self) -> usize {
        *self.0.calls.borrow()
    }

    /// Waits until this many deliveries have reached it.
    pub(crate) async fn called(&self, times: usize) {
        let mut calls = self.0.calls.subscribe();
        soon(calls.wait_for(|calls| *calls >= times)).await.expect("the handler holds the sender");
    }

    /// Waits until this many of its futures were dropped before their end.
    pub(crate) async fn dropped(&self, times: usize) {
        let mut dropped = self.0.dropped.subscribe();
        soon(dropped.wait_for(|dropped| *dropped >= times)).await.expect("the handler holds the sender");
    }

    /// The deliveries whose bodies it has read.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<B> Service<Request<B>> for Handler
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: fmt::Debug,
{
    type Response = Response<Full<Bytes>>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let action = shared.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        shared.calls.send_modify(|calls| *calls += 1);
        assert!(!matches!(action, Some(Action::PanicInCall)), "told to panic");
        Box::pin(async move {
            let watched = Watched(&shared.dropped);
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a verified body does not fail");
            let trailers = body.trailers().cloned();
            let verified = head.extensions.get::<Verified>().cloned();
            let seen = Seen { headers: head.headers, body: body.to_bytes(), trailers, verified };
            shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            let status = match action {
                None => 200,
                Some(Action::Status(status)) => status,
                Some(Action::Wait(told)) => match told.await {
                    Ok(status) => status,
                    Err(_) => std::future::pending().await,
                },
                Some(Action::Fail) => return Err(Failure),
                Some(Action::PanicInCall | Action::PanicInFuture) => panic!("told to panic"),
            };
            std::mem::forget(watched);
            let mut response = Response::new(Full::from("handled"));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok(response)
        })
    }
}

/// Counts its drop.
struct Watched<'a>(&'a watch::Sender<usize>);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|dropped| *dropped += 1);
    }
}
