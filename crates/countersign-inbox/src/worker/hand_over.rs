//! Hands a message that is being stored to the workers of its destinations.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign::clock::ClockReading;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::desk::{Desk, Handed, Promise};
use crate::contract::{Enqueued, Inbox, Pending};
use crate::delivery::Leased;
use crate::error::InboxError;

/// The workers that get their delivery of a message when it is stored.
pub(super) struct HandOver {
    inbox: Arc<dyn Inbox>,
    now: ClockReading,
    /// In the order of the message's deliveries, with the waker of each worker.
    promises: Vec<(Promise, Arc<Notify>)>,
}

impl HandOver {
    pub(super) fn new(inbox: Arc<dyn Inbox>, now: ClockReading) -> Self {
        Self { inbox, now, promises: Vec::new() }
    }

    /// Finds room for a delivery with a body of this size. Returns how long it is to be leased.
    pub(super) fn promise(&mut self, desk: &Arc<Desk>, waker: &Arc<Notify>, bytes: usize) -> Option<Duration> {
        self.promises.push((desk.promise(bytes)?, Arc::clone(waker)));
        Some(desk.lease())
    }

    /// Completes when the message is stored. If a worker waits for it, that also happens if this is dropped.
    pub(super) fn after(self, stored: Pending<(Enqueued, Vec<Leased>)>) -> Pending<Enqueued> {
        let is_awaited = !self.promises.is_empty();
        let complete = Box::pin(self.complete(stored));
        if is_awaited { Box::pin(Completed(Some(complete))) } else { complete }
    }

    async fn complete(self, stored: Pending<(Enqueued, Vec<Leased>)>) -> Result<Enqueued, InboxError> {
        let (enqueued, leased) = stored.await?;
        let mut delay = 0;
        for ((promise, waker), leased) in self.promises.into_iter().zip(leased) {
            match promise.keep(Handed { leased, since: self.now.monotonic }) {
                Ok(wait) => delay = delay.max(wait),
                Err(receipt) => {
                    // It takes effect from the call on.
                    drop(self.inbox.give_back(receipt, self.now));
                    waker.notify_one();
                }
            }
        }
        for _ in 0..delay {
            yield_now().await;
        }
        Ok(enqueued)
    }
}

/// A future that a task completes if it is dropped before. Without a runtime, the leases end by themselves.
struct Completed(Option<Pending<Enqueued>>);

impl Future for Completed {
    type Output = Result<Enqueued, InboxError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let output = future.as_mut().poll(context);
        if output.is_ready() {
            self.0 = None;
        }
        output
    }
}

impl Drop for Completed {
    fn drop(&mut self) {
        if let (Some(future), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}
