//! Futures of results that are on disk.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use countersign::replay::StoreError;
use tokio::sync::oneshot;

use crate::error::Failure;

/// The result of an operation, once it is on disk. The operation is carried out even if this is dropped.
#[derive(Debug)]
pub struct Waiting<T>(pub(crate) oneshot::Receiver<Result<T, Failure>>);

impl<T> Future for Waiting<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(result.unwrap_or_else(|_| Err(Failure::closed())).map_err(StoreError::from))
    }
}
