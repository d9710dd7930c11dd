//! The right to start attempts: slots, pauses, pace.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::Parts;
use super::attempt::Deliver;

/// The right to start attempts.
pub(super) struct Turn {
    /// One for each attempt at once.
    slots: OwnedSemaphorePermit,
    /// One for each attempt that is not recorded.
    records: OwnedSemaphorePermit,
    /// How many attempts the pace allows.
    max: usize,
    /// Whether the destination keeps failing. Then one attempt gets all slots.
    pub(super) is_probe: bool,
}

/// The place of one attempt.
pub(super) struct Slot {
    /// Until the attempt ends.
    pub(super) attempt: OwnedSemaphorePermit,
    /// Until its result is recorded.
    pub(super) record: OwnedSemaphorePermit,
    pub(super) is_probe: bool,
}

/// Why an attempt does not start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// There are as many attempts as there may be. The first that ends makes room.
    Slots,
    /// The worker has to decide, for example because the destination may be paused.
    Worker,
}

impl Turn {
    /// The place of the next attempt.
    pub(super) fn slot(&mut self) -> Option<Slot> {
        let count = if self.is_probe { self.slots.num_permits().max(1) } else { 1 };
        if self.records.num_permits() == 0 {
            return None;
        }
        let attempt = self.slots.split(count)?;
        Some(Slot { attempt, record: self.records.split(1)?, is_probe: self.is_probe })
    }
}

impl<D: Deliver> Parts<D> {
    /// The place of one more attempt, unless it has to wait or something else has to be found out first.
    pub(super) fn slot(&self, now: Instant) -> Result<Slot, Busy> {
        let is_free =
            !self.circuit.is_open() && self.inbox.is_known_to_run(&self.destination, now) && self.pace.is_none();
        if !is_free {
            return Err(Busy::Worker);
        }
        let take = |permits: &Arc<Semaphore>| Arc::clone(permits).try_acquire_owned().map_err(|_| Busy::Slots);
        Ok(Slot { attempt: take(&self.slots)?, record: take(&self.records)?, is_probe: false })
    }

    /// Waits until attempts may start. Calls `interrupt` before a longer wait.
    pub(super) async fn turn(&self, mut interrupt: impl FnMut()) -> Turn {
        let mut pauses = self.inbox.pauses();
        loop {
            let records = permits(&self.records, 1).await;
            let mut slots = permits(&self.slots, 1).await;
            let is_probe = self.circuit.is_open();
            if is_probe {
                interrupt();
                // With all slots, nothing else is attempted in the meantime.
                drop(slots);
                slots = permits(&self.slots, self.concurrency).await;
                sleep(self.circuit.pause().unwrap_or_default()).await;
            }
            match self.inbox.is_paused(&self.destination, &*self.clock).await {
                Ok(false) => match self.pace.as_ref().map_or(Ok(usize::MAX), |pace| pace.ready(self.clock.instant())) {
                    Ok(max) => return Turn { slots, records, max, is_probe },
                    Err(wait) => {
                        sleep(wait).await;
                        continue;
                    }
                },
                Ok(true) => {}
                Err(error) => {
                    let (destination, error) = (&*self.destination, error.with_cause());
                    tracing::warn!(destination, error, "it is not known whether the destination is paused");
                }
            }
            interrupt();
            drop((slots, records));
            self.inbox.remove_old(self.keep, &*self.clock).await;
            pauses.changed().await;
        }
    }

    /// Adds all free slots to a turn. Returns how many attempts may start.
    pub(super) fn fill(&self, turn: &mut Turn) -> usize {
        if turn.is_probe {
            return 1;
        }
        merge(&self.slots, &mut turn.slots);
        merge(&self.records, &mut turn.records);
        turn.slots.num_permits().min(turn.records.num_permits()).min(turn.max)
    }
}

/// Waits for this many permits.
async fn permits(semaphore: &Arc<Semaphore>, count: u32) -> OwnedSemaphorePermit {
    #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
    Arc::clone(semaphore).acquire_many_owned(count).await.expect("an open semaphore")
}

/// Adds all free permits.
fn merge(semaphore: &Arc<Semaphore>, permit: &mut OwnedSemaphorePermit) {
    let free = u32::try_from(semaphore.available_permits()).unwrap_or_default();
    if let Ok(more) = Arc::clone(semaphore).try_acquire_many_owned(free) {
        permit.merge(more);
    }
}
