//! The file as a replay store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled};

use crate::batch::Batch;
use crate::store::{Need, SqliteStore};
use crate::time::millis;
use crate::waiting::Waiting;

/// A replay store in a [`SqliteStore`].
#[derive(Clone, Debug)]
pub struct SqliteClaims {
    store: SqliteStore,
    retain: Duration,
    capacity: usize,
    /// How many ids the source of the last claim had.
    len: Arc<AtomicUsize>,
}

impl SqliteStore {
    /// A replay store in this file, for one source. It remembers confirmed ids for `retain`, and at most `capacity` ids of
    /// its source.
    pub fn claims(&self, retain: Duration, capacity: usize) -> SqliteClaims {
        SqliteClaims { store: self.clone(), retain, capacity, len: Arc::default() }
    }
}

impl SqliteClaims {
    /// How many ids the source had at the last claim. 0 before the first one.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether the source had no id at the last claim.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many ids the source may have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets a key that is done. Returns `false` if it is unknown or in flight.
    pub fn forget(&self, key: ReplayKey) -> Waiting<bool> {
        Waiting(self.store.act(Need::Nothing, 0, move |batch| batch.forget(&key)))
    }
}

impl ReplayStore for SqliteClaims {
    type Claiming = Waiting<Claim>;
    type Confirming = Waiting<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Waiting<Claim> {
        let (now, lease, capacity) = (self.store.time(now), millis(lease), self.capacity);
        let len = Arc::clone(&self.len);
        Waiting(self.store.act(Need::Room, 0, move |batch| {
            let claim = batch.claim(&key, capacity, lease, now);
            len.store(batch.ids_of(&key), Ordering::Relaxed);
            claim
        }))
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Waiting<Settled> {
        let (now, retain) = (self.store.time(now), millis(self.retain));
        let act = move |batch: &mut Batch<'_>| batch.confirm(token.key(), token.number(), retain, now);
        Waiting(self.store.act(Need::Certainty, 0, act))
    }

    fn release(&self, token: ClaimToken) {
        // If it is lost, the key is free when the lease expires.
        drop(self.store.act(Need::Certainty, 0, move |batch| batch.release(token.key(), token.number())));
    }

    fn retain(&self) -> Option<Duration> {
        Some(self.retain)
    }
}
