//! One attempt of a worker, and the record of its result.

use std::sync::Arc;
use std::time::Duration;

use countersign::UnixTime;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Parts;
use super::attempt::{Attempt, AttemptOutcome, Deliver, NextStep};
use super::caught::{Caught, Panicked};
use super::desk::Desk;
use super::lease::{Lease, RECORD};
use super::turn::Slot;
use crate::delivery::Leased;

impl<D: Deliver> Parts<D> {
    /// How long the delivery of an attempt is leased.
    pub(super) fn lease(&self) -> Duration {
        self.timeout + RECORD
    }

    /// Gives back a delivery whose attempt does not start.
    pub(super) async fn give_back(self: Arc<Self>, leased: Leased) {
        let message_id = leased.message.key.message_id().clone();
        let lease = Lease::new(self.inbox.clone(), Arc::clone(&self.clock), leased.receipt);
        if let Err(error) = lease.give_back().await {
            self.not_given_back(message_id.as_str(), &error.with_cause());
        }
        self.waker.notify_one();
    }

    fn not_given_back(&self, message_id: &str, error: &str) {
        let destination = &*self.destination;
        tracing::warn!(destination, message_id, error, "a delivery was not given back: it is due later");
    }

    /// Attempts a delivery in this place, which it shows to the `desk` when it is free again.
    pub(super) async fn attempt(
        self: Arc<Self>,
        leased: Leased,
        slot: Slot,
        mut abandoned: watch::Receiver<bool>,
        desk: Arc<Desk>,
    ) {
        let Leased { receipt, attempt: number, since, message } = leased;
        let id = message.key.message_id().clone();
        let (destination, message_id) = (&*self.destination, id.as_str());
        let lease = Lease::new(self.inbox.clone(), Arc::clone(&self.clock), receipt);
        let attempt = Attempt { delivery: lease.delivery(), number, since, message };
        let outcome = tokio::select! {
            outcome = timeout(self.timeout, Caught::new(async { self.deliver.deliver(attempt).await })) => Some(outcome),
            () = async { drop(abandoned.wait_for(|abandoned| *abandoned).await) } => None,
        };
        let outcome = match outcome {
            Some(Ok(Ok(outcome))) => outcome,
            Some(Ok(Err(Panicked))) => AttemptOutcome::failed("the handler panicked"),
            Some(Err(_)) => AttemptOutcome::failed("the attempt took too long"),
            None => {
                if let Err(error) = lease.give_up().await {
                    self.not_given_back(message_id, &error.with_cause());
                }
                return;
            }
        };
        self.circuit.record(!matches!(outcome, AttemptOutcome::Failed { .. }), slot.is_probe);
        // The next attempt does not wait for the record of this one.
        drop(slot.attempt);
        desk.start_waiting();
        let step = self.after(outcome, number, since);
        (self.hook)(&step);
        if let NextStep::Dead { error } = &step {
            tracing::warn!(
                destination,
                message_id,
                attempt = number,
                error,
                "a message is a dead letter: its delivery has failed"
            );
        }
        if let Err(error) = lease.record(&step).await {
            let error = error.with_cause();
            tracing::warn!(
                destination,
                message_id,
                attempt = number,
                error,
                "the result is not recorded: the message is sent again"
            );
        }
        drop(slot.record);
        desk.start_waiting();
        if matches!(step, NextStep::Retry { .. }) {
            // It may be due before the worker would look again.
            self.waker.notify_one();
        }
    }

    /// What follows from an attempt that ends now.
    fn after(&self, outcome: AttemptOutcome, attempt: u32, since: UnixTime) -> NextStep {
        let elapsed = Duration::from_millis(self.clock.now().as_millis().saturating_sub(since.as_millis()));
        NextStep::after(outcome, attempt, elapsed, &self.schedule, fastrand::f64())
    }
}
