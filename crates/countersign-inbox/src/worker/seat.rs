//! A running worker with its desk. However it ends, the deliveries at its desk are given back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Parts;
use super::attempt::Deliver;
use super::desk::{Desk, Handed, Start};
use super::turn::{Busy, Slot};
use crate::contract::Inbox;
use crate::delivery::Leased;

pub(super) struct Seat<D: Deliver> {
    pub(super) worker: Arc<Parts<D>>,
    pub(super) desk: Arc<Desk>,
    attempts: Attempts<D>,
}

impl<D: Deliver> Seat<D> {
    /// The seat of a worker whose attempts are `abandoned` once that is true, or has no sender any more. Until an attempt
    /// has ended, it has a receiver of it.
    pub(super) fn take(worker: Arc<Parts<D>>, abandoned: watch::Receiver<bool>) -> Self {
        let attempts = Attempts { worker: Arc::clone(&worker), abandoned, runtime: Handle::current() };
        let desk = Arc::new(Desk::new(worker.concurrency, worker.lease(), attempts.clone()));
        worker.inbox.set_desk(&worker.destination, Arc::clone(&desk));
        Self { worker, desk, attempts }
    }

    /// Starts the attempt of a delivery that was leased.
    pub(super) fn start(&self, leased: Leased, slot: Slot) {
        self.attempts.start(&self.desk, leased, slot);
    }

    /// Closes the desk, and gives back its deliveries, whose attempts would not start soon.
    pub(super) fn clear(&self) {
        self.give_back(self.desk.clear());
    }

    /// Ends the desk, and gives back its deliveries.
    pub(super) fn leave(self) {
        self.give_back(self.end());
        // Another worker of the destination may need what this one was told.
        self.worker.waker.notify_one();
    }

    fn end(&self) -> VecDeque<Handed> {
        self.worker.inbox.remove_desk(&self.worker.destination, &self.desk);
        self.desk.end()
    }

    fn give_back(&self, deliveries: VecDeque<Handed>) {
        for handed in deliveries {
            self.attempts.give_back(handed.leased);
        }
    }
}

impl<D: Deliver> Drop for Seat<D> {
    fn drop(&mut self) {
        for handed in self.end() {
            // It takes effect from the call on.
            drop(self.worker.inbox.give_back(handed.leased.receipt, self.worker.clock.read()));
        }
    }
}

/// The attempts of a running worker.
struct Attempts<D> {
    worker: Arc<Parts<D>>,
    abandoned: watch::Receiver<bool>,
    /// Of the worker.
    runtime: Handle,
}

impl<D> Clone for Attempts<D> {
    fn clone(&self) -> Self {
        let Self { worker, abandoned, runtime } = self;
        Self { worker: Arc::clone(worker), abandoned: abandoned.clone(), runtime: runtime.clone() }
    }
}

impl<D: Deliver> Attempts<D> {
    /// Runs a task in the caller's runtime, or else in that of the worker.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        runtime.spawn(task);
    }
}

impl<D: Deliver> Start for Attempts<D> {
    fn slot(&self, now: Instant) -> Result<Slot, Busy> {
        self.worker.slot(now)
    }

    fn start(&self, desk: &Arc<Desk>, leased: Leased, slot: Slot) {
        let attempt = Arc::clone(&self.worker).attempt(leased, slot, self.abandoned.clone(), Arc::clone(desk));
        // Boxed, because a task moves its future again at its end, and the memory of a large task is slow to allocate.
        self.spawn(Box::pin(attempt));
    }

    fn give_back(&self, leased: Leased) {
        let (worker, abandoned) = (Arc::clone(&self.worker), self.abandoned.clone());
        self.spawn(async move {
            worker.give_back(leased).await;
            drop(abandoned);
        });
    }

    fn now(&self) -> Instant {
        self.worker.clock.instant()
    }
}
