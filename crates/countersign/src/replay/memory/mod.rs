//! The in-memory store: bounded, exact and empty after a restart.
//!
//! There are few claims in flight and many done ids. A done id is appended to a queue whose entries never move, and is
//! found through a table with eight bytes per id. It therefore needs little more than its own bytes, and growing takes
//! little time.

mod done;
mod id;
mod queue;
mod shard;

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use id::Id;
use shard::{Shard, State};

use super::contract::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use crate::clock::ClockReading;

/// A lock is held for less than a microsecond. This many shards prevent contention between cores, and keep the growth
/// of each table short.
const SHARDS: usize = 64;

/// Remembers messages in this process.
///
/// It is exact: whole ids are compared, not hashes. It is bounded: a full store rejects new claims and never forgets an
/// id early. It is empty after a restart, so a message that was handled before the restart can be handled again.
///
/// It uses only [`ClockReading::monotonic`], so setting the clock neither forgets an id nor frees a claim. That time may
/// stop while the machine is suspended. Ids and claims then last longer than configured, never shorter.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    /// Ids in all shards, those that expired and were not swept yet included.
    occupied: AtomicUsize,
    claims: AtomicU64,
    /// The first reading that the store was given. Its own time is what has passed since.
    began: OnceLock<Instant>,
    capacity: usize,
    retain: Duration,
}

impl MemoryStore {
    /// As long as ids are remembered unless set: the 24 hours for which a sender retries, and slack.
    pub const DEFAULT_RETAIN: Duration = Duration::from_secs(25 * 60 * 60);
    /// How many ids are remembered unless set.
    pub const DEFAULT_CAPACITY: usize = 1_000_000;

    /// Begins to describe a store.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder { capacity: Self::DEFAULT_CAPACITY, retain: Self::DEFAULT_RETAIN }
    }

    /// How many deliveries are claimed and not settled, those whose lease ran out unnoticed included.
    pub fn in_flight(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).in_flight()).sum()
    }

    /// How many ids take up room.
    pub fn len(&self) -> usize {
        self.occupied.load(Ordering::Relaxed)
    }

    /// Whether no id takes up room.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many ids there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How long a confirmed id is remembered.
    pub fn retain(&self) -> Duration {
        self.retain
    }

    /// Forgets a confirmed id, so that the next delivery of the message is new. Returns whether it was remembered.
    ///
    /// A claim in flight stays: its handler is still at work. The id takes up room until it would have expired.
    pub fn forget(&self, key: &ReplayKey) -> bool {
        let id = Id::new(key);
        lock(self.shard(&id)).done.forget(&id)
    }

    /// The store's own time. A reading from before the first one, by a thread that was slower, is at its
    /// beginning.
    fn elapsed(&self, now: ClockReading) -> Duration {
        now.monotonic.saturating_duration_since(*self.began.get_or_init(|| now.monotonic))
    }

    fn claim_now(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Result<Claim, StoreError> {
        let (id, now) = (Id::new(&key), self.elapsed(now));
        let found = self.with_room(&id, now, |shard, has_room| match shard.state(&id, now) {
            State::Done => Some(Err(Claim::Done)),
            State::Held(_) => Some(Err(Claim::InFlight)),
            State::Free => (shard.remove_held(&id).is_some() || has_room()).then(|| {
                let number = self.claims.fetch_add(1, Ordering::Relaxed);
                shard.hold(&id, number, now.saturating_add(lease));
                Ok(number)
            }),
        })?;
        Ok(match found {
            Ok(number) => Claim::Fresh(ClaimToken { key, number, hash: Some(id.hash()) }),
            Err(taken) => taken,
        })
    }

    fn confirm_now(&self, token: &ClaimToken, now: ClockReading) -> Result<Settled, StoreError> {
        let (id, now) = (id_of(token), self.elapsed(now));
        self.with_room(&id, now, |shard, has_room| match shard.state(&id, now) {
            State::Done => Some(Settled::Superseded),
            State::Held(number) if number != token.number() => Some(Settled::Superseded),
            State::Held(_) | State::Free if !shard.done.has_place() => None,
            State::Held(_) | State::Free => (shard.remove_held(&id).is_some() || has_room()).then(|| {
                shard.done.push(&id, now.saturating_add(self.retain));
                Settled::Recorded
            }),
        })
    }

    fn release_now(&self, token: &ClaimToken) {
        let id = id_of(token);
        let mut shard = lock(self.shard(&id));
        if shard.find_held(&id).is_some_and(|held| held.number == token.number()) {
            shard.remove_held(&id);
            self.occupied.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Lets `step` work on the id's shard; where it asks for room and there is none, sweeps all
    /// shards and lets it try once more.
    fn with_room<T>(
        &self,
        id: &Id,
        now: Duration,
        mut step: impl FnMut(&mut Shard, &dyn Fn() -> bool) -> Option<T>,
    ) -> Result<T, StoreError> {
        let has_room = || {
            let more = |count| (count < self.capacity).then_some(count + 1);
            self.occupied.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
        };
        let mut attempt = || {
            let mut shard = lock(self.shard(id));
            let expired = shard.done.expire(now);
            self.occupied.fetch_sub(expired, Ordering::Relaxed);
            step(&mut shard, &has_room)
        };
        if let Some(outcome) = attempt() {
            return Ok(outcome);
        }
        for shard in &self.shards {
            let swept = lock(shard).sweep(now);
            self.occupied.fetch_sub(swept, Ordering::Relaxed);
        }
        attempt().ok_or(StoreError::full())
    }

    fn shard(&self, id: &Id) -> &Mutex<Shard> {
        // The tables use the lower half.
        &self.shards[(id.hash() >> 40) as usize % SHARDS]
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl ReplayStore for MemoryStore {
    type Claiming = Ready<Result<Claim, StoreError>>;
    type Confirming = Ready<Result<Settled, StoreError>>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Self::Claiming {
        ready(self.claim_now(key, lease, now))
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Self::Confirming {
        ready(self.confirm_now(&token, now))
    }

    fn release(&self, token: ClaimToken) {
        self.release_now(&token);
    }

    fn retain(&self) -> Option<Duration> {
        Some(self.retain)
    }
}

/// Describes a [`MemoryStore`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct MemoryStoreBuilder {
    capacity: usize,
    retain: Duration,
}

impl MemoryStoreBuilder {
    /// The most ids that are remembered, claims in flight included; 2³¹ at most. A store for none rejects
    /// every claim with [`StoreErrorKind::Full`](super::StoreErrorKind::Full).
    pub fn capacity(mut self, ids: usize) -> Self {
        self.capacity = ids.min(1 << 31);
        self
    }

    /// How long a confirmed id is remembered. Shorter than the sender's retries lets replays through.
    pub fn retain(mut self, retain: Duration) -> Self {
        self.retain = retain;
        self
    }

    /// Makes the store. It takes up memory as it fills.
    pub fn build(self) -> MemoryStore {
        MemoryStore {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            occupied: AtomicUsize::new(0),
            claims: AtomicU64::new(0),
            began: OnceLock::new(),
            capacity: self.capacity,
            retain: self.retain,
        }
    }
}

/// The hash in a token spares another one. A token that was made from a key and a number has none.
fn id_of(token: &ClaimToken) -> Id {
    token.hash.map_or_else(|| Id::new(token.key()), |hash| Id::with_hash(token.key(), hash))
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A panic while it was held, for example for lack of memory, is no reason to reject all later calls.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
