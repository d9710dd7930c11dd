//! The file as a replay store.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::error::Failure;
use crate::store::{Need, SqliteStore};
use crate::time::millis;

/// A replay store in a [`SqliteStore`].
#[derive(Clone, Debug)]
pub struct SqliteClaims {
    store: SqliteStore,
    retain: Duration,
    capacity: usize,
}

impl SqliteStore {
    /// A replay store in this file. It remembers confirmed ids for `retain`, and at most `capacity` ids of a source.
    pub fn claims(&self, retain: Duration, capacity: usize) -> SqliteClaims {
        SqliteClaims { store: self.clone(), retain, capacity }
    }
}

impl ReplayStore for SqliteClaims {
    type Claiming = Waiting<Claim>;
    type Confirming = Waiting<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Waiting<Claim> {
        let (now, lease, capacity) = (self.store.time(now), millis(lease), self.capacity);
        Waiting(self.store.act(Need::Room, 0, move |batch| batch.claim(&key, capacity, lease, now)))
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

/// The result of an operation, once it is on disk. The operation is carried out even if this is dropped.
#[derive(Debug)]
pub struct Waiting<T>(oneshot::Receiver<Result<T, Failure>>);

impl<T> Future for Waiting<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(result.unwrap_or_else(|_| Err(Failure::closed())).map_err(StoreError::from))
    }
}
