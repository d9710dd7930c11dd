//! A leased delivery in the hands of a worker.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::replay::Settled;
use tokio::time::{sleep, timeout};

use super::attempt::NextStep;
use super::shared::SharedInbox;
use crate::contract::{Inbox, Pending};
use crate::delivery::{DeliveryId, Receipt};
use crate::error::InboxError;

/// The maximum time of one try to record the end of an attempt, and the pause between two.
const TRY: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(1);
/// The maximum time until it is recorded. Until then, an inbox that recovers saves the message from being sent again.
pub(super) const RECORD: Duration = Duration::from_secs(15);

/// A leased delivery. If it is dropped, because its task was aborted, the delivery is due at once.
pub(super) struct Lease {
    inbox: SharedInbox,
    clock: Arc<dyn Clock>,
    receipt: Receipt,
    is_recorded: bool,
}

impl Lease {
    pub(super) fn new(inbox: SharedInbox, clock: Arc<dyn Clock>, receipt: Receipt) -> Self {
        Self { inbox, clock, receipt, is_recorded: false }
    }

    /// The delivery.
    pub(super) fn delivery(&self) -> DeliveryId {
        self.receipt.delivery()
    }

    /// Records what follows from the attempt. It is repeated for a while if the inbox is unavailable.
    pub(super) async fn record(self, step: &NextStep) -> Result<Settled, InboxError> {
        self.settle(|lease| lease.call(step)).await
    }

    /// Makes the delivery due at once, because its attempt was given up.
    pub(super) async fn give_up(self) -> Result<Settled, InboxError> {
        self.record(&interrupted()).await
    }

    /// Gives the delivery back, because its attempt does not start.
    pub(super) async fn give_back(self) -> Result<Settled, InboxError> {
        self.settle(|lease| lease.inbox.give_back(lease.copy(), lease.clock.read())).await
    }

    async fn settle(mut self, call: impl Fn(&Self) -> Pending<Settled>) -> Result<Settled, InboxError> {
        self.is_recorded = true;
        let mut left = RECORD.saturating_sub(TRY);
        loop {
            let (error, took) = match timeout(TRY, call(&self)).await {
                Ok(Ok(settled)) => return Ok(settled),
                Ok(Err(error)) => (error, Duration::ZERO),
                Err(_) => (InboxError::TimedOut, TRY),
            };
            let Some(rest) = left.checked_sub(took + PAUSE) else { return Err(error) };
            left = rest;
            sleep(PAUSE).await;
        }
    }

    fn call(&self, step: &NextStep) -> Pending<Settled> {
        let (receipt, now) = (self.copy(), self.clock.read());
        match step {
            NextStep::Done => self.inbox.acknowledge(receipt, now),
            NextStep::Retry { delay, error } => self.inbox.retry(receipt, *delay, error, now),
            NextStep::Dead { error } => self.inbox.dead_letter(receipt, error, now),
        }
    }

    /// Each try needs a receipt.
    fn copy(&self) -> Receipt {
        Receipt::new(self.receipt.delivery(), self.receipt.number())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_recorded {
            // It takes effect from the call on.
            drop(self.call(&interrupted()));
        }
    }
}

fn interrupted() -> NextStep {
    NextStep::Retry { delay: Duration::ZERO, error: "the worker stopped before the attempt ended".to_owned() }
}
