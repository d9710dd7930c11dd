//! A request goes on when its sender has gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// A future that goes on in a task of its own if it is dropped before its end.
///
/// hyper drops a request's future when its sender hangs up. Most do not, so that a task for each
/// request would be a price that all pay for a few.
pub(crate) struct FinishAnyway<F: Future<Output: Send> + Send + 'static> {
    future: Option<Pin<Box<F>>>,
    tasks: TaskTracker,
}

impl<F: Future<Output: Send> + Send + 'static> FinishAnyway<F> {
    /// Runs `future` where this is polled, and once this is dropped as one of `tasks`.
    pub(crate) fn new(future: F, tasks: TaskTracker) -> Self {
        Self { future: Some(Box::pin(future)), tasks }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for FinishAnyway<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Out of its place while it runs: what panics is not to go on.
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        let poll = future.as_mut().poll(cx);
        if poll.is_pending() {
            self.future = Some(future);
        }
        poll
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for FinishAnyway<F> {
    fn drop(&mut self) {
        if let (Some(future), Ok(runtime)) = (self.future.take(), Handle::try_current()) {
            self.tasks.spawn_on(future, &runtime);
        }
    }
}
