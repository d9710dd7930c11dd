//! A future whose panics are errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// The future panicked. It is not polled again.
#[derive(Debug)]
pub(super) struct Panicked;

/// The output of `future`, or an error if it panics.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    Caught(pin!(future)).await
}

struct Caught<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for Caught<'_, F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic, the caller drops the future, so that nobody sees its state.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
