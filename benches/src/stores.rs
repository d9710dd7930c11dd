//! A memory store that remembers a given number of ids: for each new one, one expires.

#![expect(clippy::expect_used, reason = "a bench whose store refuses has nothing to measure")]

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign::clock::{Clock, ClockReading, SystemClock};
use countersign::replay::MemoryStore;
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled};

use crate::deliveries::{message_id, scatter};

const SOURCE: &str = "bench";
const LEASE: Duration = Duration::from_mins(1);
const RETAIN: Duration = MemoryStore::DEFAULT_RETAIN;

/// A delivery, and when it arrives.
pub type Arrival = (ReplayKey, ClockReading);

/// The store, and the deliveries that it gets.
#[derive(Debug)]
pub struct FullStore {
    store: MemoryStore,
    ids: u32,
    longest: Duration,
    began: ClockReading,
    arrived: Cell<u64>,
    others: Cell<u64>,
}

impl FullStore {
    /// Fills a store with this many ids.
    pub fn new(ids: u32) -> Self {
        // Room for a few more: ids expire by the second, and a second may bring more than one.
        let store = MemoryStore::builder().capacity(ids as usize + 1000).retain(RETAIN).build();
        let (began, longest) = (SystemClock.read(), Duration::ZERO);
        let mut full = Self { store, ids, longest, began, arrived: Cell::new(0), others: Cell::new(0) };
        for _ in 0..ids {
            let delivery = full.new_delivery();
            let before = SystemClock.instant();
            full.claim_and_confirm(delivery);
            full.longest = full.longest.max(SystemClock.instant() - before);
        }
        full
    }

    /// The longest claim and confirmation of one delivery while the store was filled.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// How many ids take up room.
    pub fn ids(&self) -> usize {
        self.store.len()
    }

    /// The next delivery. It arrives when the oldest that is remembered expires.
    pub fn new_delivery(&self) -> Arrival {
        (key(0, next(&self.arrived)), self.now())
    }

    /// A delivery that was never seen, at the time of the latest: nothing expires.
    pub fn unseen(&self) -> Arrival {
        (key(1, next(&self.others)), self.now())
    }

    /// One of the deliveries that are done.
    pub fn duplicate(&self) -> Arrival {
        let back = scatter(next(&self.others)) % u64::from(self.ids - 1000);
        (key(0, self.arrived.get() - 1 - back), self.now())
    }

    /// What a delivery that is handled costs the store.
    pub fn claim_and_confirm(&self, (key, now): Arrival) {
        let token = self.claim_fresh(key, now);
        assert_eq!(at_once(self.store.confirm(token, now)), Ok(Settled::Recorded));
    }

    /// What a delivery that fails costs the store.
    pub fn claim_and_release(&self, (key, now): Arrival) {
        self.store.release(self.claim_fresh(key, now));
    }

    /// What a delivery that was handled before costs the store.
    pub fn claim_in_vain(&self, (key, now): Arrival) {
        assert_eq!(at_once(self.store.claim(key, LEASE, now)), Ok(Claim::Done));
    }

    fn claim_fresh(&self, key: ReplayKey, now: ClockReading) -> ClaimToken {
        match at_once(self.store.claim(key, LEASE, now)) {
            Ok(Claim::Fresh(token)) => token,
            other => panic!("a new delivery was not: {other:?}"),
        }
    }

    fn now(&self) -> ClockReading {
        let latest = u32::try_from(self.arrived.get() - 1).expect("billions are not measured");
        self.began.at(self.began.monotonic + RETAIN.mul_f64(f64::from(latest) / f64::from(self.ids)))
    }
}

fn next(counter: &Cell<u64>) -> u64 {
    counter.replace(counter.get() + 1)
}

fn key(run: u64, number: u64) -> ReplayKey {
    ReplayKey::parse(SOURCE, message_id(run, number).as_str()).expect("a good key")
}

/// The memory store answers at once.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory store waits for nothing"),
    }
}
