//! The future of a call.

use std::pin::Pin;
use std::task::{Context, Poll};

use countersign::replay::StoreError;
use tokio::sync::oneshot;

/// A call that the store's thread carries out, whether this is polled or not.
#[derive(Debug)]
#[must_use = "a call has a result"]
pub struct Pending<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Pending<T> {
    pub(crate) fn new() -> (oneshot::Sender<Result<T, StoreError>>, Self) {
        let (reply, receiver) = oneshot::channel();
        (reply, Self(receiver))
    }

    /// Blocks the thread until the call is carried out. Must not be called by a task of a runtime.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or_else(gone)
    }

    pub(crate) fn failed(error: StoreError) -> Self {
        let (reply, pending) = Self::new();
        let _ = reply.send(Err(error));
        pending
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|outcome| outcome.unwrap_or_else(gone))
    }
}

fn gone<T>(_: oneshot::error::RecvError) -> Result<T, StoreError> {
    Err(StoreError::unavailable("the thread of the store has ended"))
}
