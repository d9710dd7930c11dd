//! Where a worker gets the deliveries that its process has just stored: already leased, with the message in memory.
//!
//! A desk is open while nothing else is due, so that new messages do not overtake older ones.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::delivery::Leased;

/// How long a delivery may be at a desk. Its lease is longer by this time.
pub(super) const WAIT: Duration = Duration::from_secs(2);
/// The maximum number of deliveries at a desk: this many for each concurrent attempt, and never more than `MAX`.
const EACH: usize = 16;
const MAX: usize = 4096;
/// The maximum size of their bodies together, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// The desk of one worker.
pub(super) struct Desk {
    max: usize,
    /// The lease of each delivery.
    lease: Duration,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    is_open: bool,
    has_ended: bool,
    /// How many deliveries are here or promised, and the size of their bodies.
    count: usize,
    bytes: usize,
    waiting: VecDeque<Handed>,
}

/// A delivery at a desk.
pub(super) struct Handed {
    pub(super) leased: Leased,
    /// When its lease began.
    pub(super) since: Instant,
}

/// The room for one delivery at a desk, while its message is being stored.
pub(super) struct Promise {
    desk: Arc<Desk>,
    bytes: usize,
    is_kept: bool,
}

impl Desk {
    /// A closed desk for a worker that attempts up to `concurrency` deliveries at once, each for up to `attempt`.
    pub(super) fn new(concurrency: u32, attempt: Duration) -> Self {
        let concurrency = usize::try_from(concurrency).unwrap_or(MAX);
        let max = concurrency.saturating_mul(EACH).min(MAX);
        Self { max, lease: attempt + WAIT, state: Mutex::default(), arrived: Notify::new() }
    }

    /// How long each delivery at this desk is leased.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn open(&self) {
        let mut state = self.lock();
        state.is_open = !state.has_ended;
    }

    /// Makes no further promises. Earlier ones are still kept.
    pub(super) fn close(&self) {
        self.lock().is_open = false;
    }

    /// Closes the desk for good. Returns its deliveries.
    pub(super) fn end(&self) -> VecDeque<Handed> {
        let mut state = self.lock();
        state.has_ended = true;
        state.clear()
    }

    /// Closes the desk. Returns its deliveries.
    pub(super) fn clear(&self) -> VecDeque<Handed> {
        self.lock().clear()
    }

    /// Room for a delivery with a body of this size. A desk without room closes: from then on, others are older.
    pub(super) fn promise(self: &Arc<Self>, bytes: usize) -> Option<Promise> {
        let mut state = self.lock();
        state.is_open &= state.count < self.max && state.bytes.saturating_add(bytes) <= MAX_BYTES;
        if !state.is_open {
            return None;
        }
        state.count += 1;
        state.bytes += bytes;
        drop(state);
        Some(Promise { desk: Arc::clone(self), bytes, is_kept: false })
    }

    pub(super) fn take(&self) -> Option<Handed> {
        let mut state = self.lock();
        let handed = state.waiting.pop_front()?;
        state.release(handed.bytes());
        Some(handed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Waits until a delivery may have come.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn release(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn clear(&mut self) -> VecDeque<Handed> {
        self.is_open = false;
        let waiting = std::mem::take(&mut self.waiting);
        for handed in &waiting {
            self.release(handed.bytes());
        }
        waiting
    }
}

impl Handed {
    fn bytes(&self) -> usize {
        self.leased.message.body.len()
    }
}

impl Promise {
    /// Hands the delivery over. Returns it if the worker has stopped.
    pub(super) fn keep(mut self, handed: Handed) -> Option<Leased> {
        let mut state = self.desk.lock();
        if state.has_ended {
            return Some(handed.leased);
        }
        state.waiting.push_back(handed);
        drop(state);
        self.is_kept = true;
        self.desk.arrived.notify_one();
        None
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.is_kept {
            self.desk.lock().release(self.bytes);
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("count", &self.lock().count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(concurrency: u32) -> Arc<Desk> {
        let desk = Arc::new(Desk::new(concurrency, Duration::from_secs(1)));
        desk.open();
        desk
    }

    #[test]
    fn a_desk_without_room_closes_until_it_is_opened_again() {
        let desk = desk(1);
        let mut promises: Vec<_> = (0..EACH).map_while(|_| desk.promise(1)).collect();
        assert_eq!(promises.len(), EACH);
        assert!(desk.promise(1).is_none());
        promises.clear();
        assert!(desk.promise(1).is_none(), "older deliveries are elsewhere");
        desk.open();
        assert!(desk.promise(1).is_some());
    }

    #[test]
    fn the_size_of_the_bodies_is_limited() {
        let desk = desk(16);
        let large = desk.promise(MAX_BYTES);
        assert!(large.is_some() && desk.promise(1).is_none());
    }

    #[test]
    fn a_desk_that_has_ended_promises_nothing() {
        let desk = desk(16);
        assert!(desk.end().is_empty());
        desk.open();
        assert!(desk.promise(1).is_none());
    }
}
