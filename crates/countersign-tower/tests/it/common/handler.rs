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

/// What the handler is to do with a delivery.
pub(crate) enum Answer {
    Status(u16),
    /// Wait for the status to answer with; for ever, if nobody will say one.
    Wait(oneshot::Receiver<u16>),
    Fail,
    PanicInCall,
    PanicInFuture,
}

/// What the handler saw of a delivery.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) verified: Option<Verified>,
}

/// A service that does what it is told to, once for each delivery, and answers 200 after that.
#[derive(Clone, Default)]
pub(crate) struct Handler(Arc<Shared>);

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Answer>>,
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
    /// Does this with the next deliveries.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let handler = Self::default();
        handler.0.script.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
        handler
    }

    /// Holds the next delivery until it is told a status.
    pub(crate) fn waiting() -> (Self, oneshot::Sender<u16>) {
        let (tell, told) = oneshot::channel();
        (Self::answering([Answer::Wait(told)]), tell)
    }

    /// How many deliveries reached it.
    pub(crate) fn calls(&self) -> usize {
        *self.0.calls.borrow()
    }

    /// Waits until so many deliveries reached it.
    pub(crate) async fn called(&self, times: usize) {
        let mut calls = self.0.calls.subscribe();
        soon(calls.wait_for(|calls| *calls >= times)).await.expect("the handler holds the sender");
    }

    /// Waits until so many of its futures were dropped before their end.
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
        let answer = shared.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        shared.calls.send_modify(|calls| *calls += 1);
        assert!(!matches!(answer, Some(Answer::PanicInCall)), "told to panic");
        Box::pin(async move {
            let watched = Watched(&shared.dropped);
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a verified body does not fail");
            let trailers = body.trailers().cloned();
            let verified = head.extensions.get::<Verified>().cloned();
            let seen = Seen { headers: head.headers, body: body.to_bytes(), trailers, verified };
            shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            let status = match answer {
                None => 200,
                Some(Answer::Status(status)) => status,
                Some(Answer::Wait(told)) => match told.await {
                    Ok(status) => status,
                    Err(_) => std::future::pending().await,
                },
                Some(Answer::Fail) => return Err(Failure),
                Some(Answer::PanicInCall | Answer::PanicInFuture) => panic!("told to panic"),
            };
            std::mem::forget(watched);
            let mut response = Response::new(Full::from("handled"));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok(response)
        })
    }
}

/// Counts when it is dropped.
struct Watched<'a>(&'a watch::Sender<usize>);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|dropped| *dropped += 1);
    }
}
