//! The store of one process: bounded, exact, forgotten on a restart.
//!
//! Claims in flight are few, ids that are done are many. An id that is done is a slot of 24 bytes,
//! found through a table of slot numbers and freed through a heap of expiries, so that it costs
//! little more than its own bytes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use slab::Slab;

use super::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use crate::clock::ClockReading;

/// Locks are held for less than a microsecond; this many keep the cores out of each other's way, and
/// the growth of one table short.
const SHARDS: usize = 64;

/// Remembers deliveries within this process.
///
/// It is exact (an id is compared whole, not by its hash), bounded (a full store rejects new claims and
/// never forgets an id before its time), and empty after a restart: a delivery that was handled before
/// it can be handled once more after it.
///
/// It measures time with [`ClockReading::monotonic`] alone. Setting the machine's clock, in either
/// direction, neither forgets an id nor frees a claim. While the machine is suspended that time may
/// stand still: ids and claims then last longer than configured, never shorter.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
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
    pub const DEFAULT_RETAIN: Duration = Duration::from_hours(25);
    /// How many ids are remembered unless set.
    pub const DEFAULT_CAPACITY: usize = 1_000_000;

    /// Begins to describe a store.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder { capacity: Self::DEFAULT_CAPACITY, retain: Self::DEFAULT_RETAIN }
    }

    /// How many deliveries are claimed and not settled, those whose lease ran out unnoticed included.
    pub fn in_flight(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).held.len()).sum()
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

    /// The store's own time. A reading from before the first one, by a thread that was slower, is at its
    /// beginning.
    fn elapsed(&self, now: ClockReading) -> Duration {
        now.monotonic.saturating_duration_since(*self.began.get_or_init(|| now.monotonic))
    }

    fn claim_now(&self, key: &ReplayKey, lease: Duration, now: ClockReading) -> Result<Claim, StoreError> {
        let (id, now) = (Id::new(key, &self.hasher), self.elapsed(now));
        self.with_room(&id, now, |shard, has_room| match shard.state(&id, now) {
            State::Done => Some(Claim::Done),
            State::Held(_) => Some(Claim::InFlight),
            State::Free => (shard.remove_held(&id).is_some() || has_room()).then(|| {
                let number = self.claims.fetch_add(1, Ordering::Relaxed);
                shard.hold(&id, number, now.saturating_add(lease), &self.hasher);
                Claim::Fresh(ClaimToken::new(key.clone(), number))
            }),
        })
    }

    fn confirm_now(&self, token: &ClaimToken, now: ClockReading) -> Result<Settled, StoreError> {
        let (id, now) = (Id::new(token.key(), &self.hasher), self.elapsed(now));
        self.with_room(&id, now, |shard, has_room| match shard.state(&id, now) {
            State::Done => Some(Settled::Superseded),
            State::Held(number) if number != token.number() => Some(Settled::Superseded),
            State::Held(_) | State::Free => (shard.remove_held(&id).is_some() || has_room()).then(|| {
                shard.done.push(&id, now.saturating_add(self.retain), &self.hasher);
                Settled::Recorded
            }),
        })
    }

    fn release_now(&self, token: &ClaimToken) {
        let id = Id::new(token.key(), &self.hasher);
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
            let expired = shard.done.expire(now, &self.hasher);
            self.occupied.fetch_sub(expired, Ordering::Relaxed);
            step(&mut shard, &has_room)
        };
        if let Some(outcome) = attempt() {
            return Ok(outcome);
        }
        for shard in &self.shards {
            let swept = lock(shard).sweep(now, &self.hasher);
            self.occupied.fetch_sub(swept, Ordering::Relaxed);
        }
        attempt().ok_or(StoreError::Full)
    }

    fn shard(&self, id: &Id) -> &Mutex<Shard> {
        // The tables use the lowest bits and the highest seven; these lie between.
        &self.shards[(id.hash >> 40) as usize % SHARDS]
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
        ready(self.claim_now(&key, lease, now))
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
    /// every claim with [`StoreError::Full`].
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
            hasher: RandomState::new(),
            occupied: AtomicUsize::new(0),
            claims: AtomicU64::new(0),
            began: OnceLock::new(),
            capacity: self.capacity,
            retain: self.retain,
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    held: HashTable<Held>,
    done: Done,
}

/// A claim in flight.
#[derive(Debug)]
struct Held {
    id: Box<[u8]>,
    number: u64,
    /// In the store's own time, as all times below.
    until: Duration,
}

enum State {
    /// Nobody has it, or a claim whose lease ran out.
    Free,
    Held(u64),
    Done,
}

impl Shard {
    fn state(&self, id: &Id, now: Duration) -> State {
        match self.find_held(id) {
            Some(held) if now < held.until => State::Held(held.number),
            _ if self.done.contains(id) => State::Done,
            _ => State::Free,
        }
    }

    fn find_held(&self, id: &Id) -> Option<&Held> {
        self.held.find(id.hash, |held| *held.id == *id.bytes())
    }

    fn remove_held(&mut self, id: &Id) -> Option<Held> {
        self.held.find_entry(id.hash, |held| *held.id == *id.bytes()).ok().map(|entry| entry.remove().0)
    }

    fn hold(&mut self, id: &Id, number: u64, until: Duration, hasher: &RandomState) {
        let held = Held { id: id.bytes().into(), number, until };
        self.held.insert_unique(id.hash, held, |held| hasher.hash_one(&held.id));
    }

    /// Frees the room of all that expired, claims too. Returns how many.
    fn sweep(&mut self, now: Duration, hasher: &RandomState) -> usize {
        let before = self.held.len();
        self.held.retain(|held| now < held.until);
        before - self.held.len() + self.done.expire(now, hasher)
    }
}

/// Ids that are done.
#[derive(Debug, Default)]
struct Done {
    slots: Slab<Slot>,
    table: HashTable<u32>,
    /// The soonest expiry first.
    expiries: BinaryHeap<Reverse<(ExpirySecs, u32)>>,
}

#[derive(Debug)]
struct Slot {
    id: Box<[u8]>,
}

/// Seconds of the store's own time, rounded up; enough for 136 years.
type ExpirySecs = u32;

impl Done {
    /// Whether the id is there; [`expire`](Self::expire) was called with the present time before.
    fn contains(&self, id: &Id) -> bool {
        self.table.find(id.hash, |number| *self.slots[*number as usize].id == *id.bytes()).is_some()
    }

    fn push(&mut self, id: &Id, expires: Duration, hasher: &RandomState) {
        let secs = expires.as_secs().saturating_add(u64::from(expires.subsec_nanos() > 0));
        let expires = u32::try_from(secs).unwrap_or(u32::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "the capacity is at most 2³¹")]
        let number = self.slots.insert(Slot { id: id.bytes().into() }) as u32;
        let slots = &self.slots;
        self.table.insert_unique(id.hash, number, |number| hasher.hash_one(&slots[*number as usize].id));
        self.expiries.push(Reverse((expires, number)));
    }

    /// Frees the room of what expired. Returns how many.
    fn expire(&mut self, now: Duration, hasher: &RandomState) -> usize {
        let before = self.slots.len();
        while let Some(Reverse((expires, number))) = self.expiries.peek().copied()
            && u64::from(expires) <= now.as_secs()
        {
            self.expiries.pop();
            let slot = self.slots.remove(number as usize);
            if let Ok(entry) = self.table.find_entry(hasher.hash_one(&slot.id), |other| *other == number) {
                entry.remove();
            }
        }
        before - self.slots.len()
    }
}

/// A key as bytes, on the stack: the source, a space (which neither part can hold), the message id.
struct Id {
    bytes: [u8; ReplayKey::MAX_LEN + 1],
    len: usize,
    hash: u64,
}

impl Id {
    fn new(key: &ReplayKey, hasher: &RandomState) -> Self {
        let (source, message_id) = (key.source().as_bytes(), key.message_id().as_bytes());
        let mut bytes = [b' '; ReplayKey::MAX_LEN + 1];
        let len = source.len() + 1 + message_id.len();
        bytes[..source.len()].copy_from_slice(source);
        bytes[source.len() + 1..len].copy_from_slice(message_id);
        Self { bytes, len, hash: hasher.hash_one(&bytes[..len]) }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A panic while it was held, out of memory say, is no reason to refuse all that comes after.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
