//! Where a worker gets the deliveries that its process has just stored: already leased, with the message in memory.
//!
//! Their attempts start in the thread that stored the message, or in that of an attempt that ends, so that neither wakes
//! the worker. A desk is open while nothing else is due, so that new messages do not overtake older ones.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::turn::{Busy, Slot};
use crate::delivery::{Leased, Receipt};

/// How long a delivery may be at a desk. Its lease is longer by this time.
pub(super) const WAIT: Duration = Duration::from_secs(2);
/// The maximum number of deliveries at a desk: this many for each concurrent attempt, and never more than `MAX`.
const EACH: usize = 64;
const MAX: usize = 4096;
/// Each sender waits for one turn of its runtime per this many deliveries at the desk, up to `MAX_TURNS`. Otherwise,
/// senders could outrun the attempts in the same thread, and the desk would soon be full.
const CROWD: usize = 16;
const MAX_TURNS: usize = 8;
/// The maximum size of their bodies together, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// The desk of one worker.
pub(super) struct Desk {
    max: usize,
    /// The lease of each delivery.
    lease: Duration,
    state: Mutex<State>,
    called: Notify,
}

/// Starts the attempts of a worker.
pub(super) trait Start: Send + Sync {
    /// The place of one more attempt at this time, if it may start without the worker.
    fn slot(&self, now: Instant) -> Result<Slot, Busy>;

    /// Starts an attempt in a task of its own, which calls [`Desk::start_waiting`] whenever its place becomes free.
    fn start(&self, desk: &Arc<Desk>, leased: Leased, slot: Slot);

    /// Gives back a delivery whose attempt does not start, in a task of its own.
    fn give_back(&self, leased: Leased);

    fn now(&self) -> Instant;
}

struct State {
    is_open: bool,
    /// `None` once the worker has stopped.
    starter: Option<Box<dyn Start>>,
    /// Whether the worker has to start what waits.
    calls: bool,
    used: Room,
    waiting: VecDeque<Handed>,
}

/// How many deliveries are at a desk or promised, and the size of their bodies.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    count: usize,
    bytes: usize,
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
    pub(super) fn new(concurrency: u32, attempt: Duration, starter: impl Start + 'static) -> Self {
        let concurrency = usize::try_from(concurrency).unwrap_or(MAX);
        let max = concurrency.saturating_mul(EACH).min(MAX);
        let state = State {
            is_open: false,
            starter: Some(Box::new(starter)),
            calls: false,
            used: Room::default(),
            waiting: VecDeque::new(),
        };
        Self { max, lease: attempt + WAIT, state: Mutex::new(state), called: Notify::new() }
    }

    /// How long each delivery at this desk is leased.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn open(&self) {
        let mut state = self.lock();
        state.is_open = state.starter.is_some();
    }

    /// Makes no further promises. Earlier ones are still kept.
    pub(super) fn close(&self) {
        self.lock().is_open = false;
    }

    /// Closes the desk for good. Returns its deliveries.
    pub(super) fn end(&self) -> VecDeque<Handed> {
        let mut state = self.lock();
        state.starter = None;
        state.clear()
    }

    /// Closes the desk. Returns its deliveries.
    pub(super) fn clear(&self) -> VecDeque<Handed> {
        self.lock().clear()
    }

    /// Room for a delivery with a body of this size. A desk without room closes: from then on, others are older.
    pub(super) fn promise(self: &Arc<Self>, bytes: usize) -> Option<Promise> {
        let mut state = self.lock();
        let Room { count, bytes: used } = state.used;
        state.is_open &= count < self.max && used.saturating_add(bytes) <= MAX_BYTES;
        if !state.is_open {
            return None;
        }
        state.used = Room { count: count + 1, bytes: used + bytes };
        drop(state);
        Some(Promise { desk: Arc::clone(self), bytes, is_kept: false })
    }

    /// Starts as many attempts as may start, and calls the worker if it has to decide.
    pub(super) fn start_waiting(self: &Arc<Self>) {
        // Under the lock, so that nothing starts after the end.
        let mut state = self.lock();
        let State { starter: Some(starter), used, waiting, calls, .. } = &mut *state else { return };
        while !waiting.is_empty() {
            let now = starter.now();
            let slot = match starter.slot(now) {
                Ok(slot) => slot,
                Err(Busy::Slots) => return,
                Err(Busy::Worker) => {
                    *calls = true;
                    return self.called.notify_one();
                }
            };
            let Some(Handed { leased, since }) = waiting.pop_front() else { return };
            used.release(leased.message.body.len());
            if now.saturating_duration_since(since) > WAIT {
                starter.give_back(leased);
            } else {
                starter.start(self, leased, slot);
            }
        }
    }

    /// How many turns of its runtime a sender waits.
    fn delay(&self) -> usize {
        (self.lock().waiting.len() / CROWD).min(MAX_TURNS)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Whether the worker was called since the last time.
    pub(super) fn has_called(&self) -> bool {
        std::mem::take(&mut self.lock().calls)
    }

    /// Waits until the worker is called.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clear(&mut self) -> VecDeque<Handed> {
        self.is_open = false;
        let waiting = std::mem::take(&mut self.waiting);
        for handed in &waiting {
            self.used.release(handed.leased.message.body.len());
        }
        waiting
    }
}

impl Room {
    fn release(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Promise {
    /// Hands the delivery over, which is attempted at once if there is room. Returns for how many turns of the runtime the
    /// sender waits, or the receipt if the worker has stopped.
    pub(super) fn keep(mut self, handed: Handed) -> Result<usize, Receipt> {
        let mut state = self.desk.lock();
        if state.starter.is_none() {
            return Err(handed.leased.receipt);
        }
        state.waiting.push_back(handed);
        drop(state);
        self.is_kept = true;
        self.desk.start_waiting();
        Ok(self.desk.delay())
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.is_kept {
            self.desk.lock().used.release(self.bytes);
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("used", &self.lock().used).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use countersign::UnixTime;
    use countersign::clock::{Clock, SystemClock};
    use countersign::replay::ReplayKey;

    use super::*;
    use crate::delivery::DeliveryId;
    use crate::headers::Headers;
    use crate::message::StoredMessage;

    /// All slots are taken.
    struct Full;

    impl Start for Full {
        fn slot(&self, _: Instant) -> Result<Slot, Busy> {
            Err(Busy::Slots)
        }

        fn start(&self, _: &Arc<Desk>, _: Leased, _: Slot) {}

        fn give_back(&self, _: Leased) {}

        fn now(&self) -> Instant {
            SystemClock.instant()
        }
    }

    fn desk(concurrency: u32) -> Arc<Desk> {
        let desk = Arc::new(Desk::new(concurrency, Duration::from_secs(1), Full));
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
    fn a_sender_waits_longer_while_more_deliveries_wait() {
        let desk = desk(16);
        let turns: Vec<_> = (0..CROWD * (MAX_TURNS + 2)).map(|number| keep(&desk, number)).collect();
        let expected = (1..=turns.len()).map(|waiting| (waiting / CROWD).min(MAX_TURNS)).collect::<Vec<_>>();
        assert_eq!(turns, expected);
        assert_eq!((turns.first(), turns.last()), (Some(&0), Some(&MAX_TURNS)));
    }

    /// Keeps a promise. Returns for how many turns the sender waits.
    fn keep(desk: &Arc<Desk>, number: usize) -> usize {
        let receipt = Receipt::new(DeliveryId::new(number as u64), 1);
        let message = StoredMessage {
            key: ReplayKey::parse("test", "msg_1").expect("a key"),
            event_type: None,
            path: "/hook".to_owned(),
            headers: Headers::default(),
            body: Bytes::new(),
            received: UnixTime::from_secs(1),
        };
        let leased = Leased { receipt, attempt: 1, since: message.received, message };
        let promise = desk.promise(0).expect("room");
        promise.keep(Handed { leased, since: SystemClock.instant() }).expect("a desk with a worker")
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
