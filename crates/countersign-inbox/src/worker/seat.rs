//! A running worker with its desk. However it ends, the deliveries at its desk are given back.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Parts;
use super::attempt::Deliver;
use super::desk::{Desk, Handed};
use crate::contract::Inbox;

pub(super) struct Seat<D: Deliver> {
    pub(super) worker: Arc<Parts<D>>,
    pub(super) desk: Arc<Desk>,
    /// Whether attempts have to end.
    pub(super) abandoned: watch::Receiver<bool>,
}

impl<D: Deliver> Seat<D> {
    pub(super) fn take(worker: Arc<Parts<D>>, abandoned: watch::Receiver<bool>) -> Self {
        let desk = Arc::new(Desk::new(worker.concurrency, worker.lease()));
        worker.inbox.set_desk(&worker.destination, Arc::clone(&desk));
        Self { worker, desk, abandoned }
    }

    /// Closes the desk, and gives back its deliveries, whose attempts would not start soon.
    pub(super) fn clear(&self, tasks: &mut JoinSet<()>) {
        self.give_back(self.desk.clear(), tasks);
    }

    /// Ends the desk, and gives back its deliveries.
    pub(super) fn leave(self, tasks: &mut JoinSet<()>) {
        self.give_back(self.end(), tasks);
        // Another worker of the destination may need what this one was told.
        self.worker.waker.notify_one();
    }

    fn end(&self) -> VecDeque<Handed> {
        self.worker.inbox.remove_desk(&self.worker.destination, &self.desk);
        self.desk.end()
    }

    fn give_back(&self, deliveries: VecDeque<Handed>, tasks: &mut JoinSet<()>) {
        for handed in deliveries {
            tasks.spawn(Arc::clone(&self.worker).give_back(handed.leased));
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
