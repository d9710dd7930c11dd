//! The part of the store that belongs to one source.

#![cfg_attr(
    all(not(feature = "postgres"), not(feature = "redis")),
    expect(clippy::match_same_arms, reason = "stores that were not built are the same")
)]

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, MemoryStore, ReplayKey, ReplayStore, Settled, StoreError};
use countersign_sqlite::{SqliteClaims, Waiting};

use super::{postgres, redis};

/// The replay store of one source. Clones share it.
#[derive(Clone, Debug)]
pub enum SourceStore {
    /// In memory.
    Memory(Arc<MemoryStore>),
    /// In the SQLite file of all sources.
    Sqlite(SqliteClaims),
    /// The inbox remembers ids for this time when it stores messages, so that both are one transaction. Claims and
    /// confirmations do nothing.
    Inbox(Duration),
    /// In the Redis or Valkey of all sources.
    Redis(redis::Store),
    /// In the PostgreSQL of all sources.
    Postgres(postgres::Store),
}

impl SourceStore {
    /// How many ids take up room in it, if that is known here.
    pub fn ids(&self) -> Option<usize> {
        match self {
            Self::Memory(store) => Some(store.len()),
            Self::Sqlite(store) => Some(store.len()),
            Self::Inbox(_) | Self::Redis(_) | Self::Postgres(_) => None,
        }
    }

    /// How many ids it has room for, if the gateway limits them.
    pub fn capacity(&self) -> Option<usize> {
        match self {
            Self::Memory(store) => Some(store.capacity()),
            Self::Sqlite(store) => Some(store.capacity()),
            Self::Inbox(_) | Self::Redis(_) | Self::Postgres(_) => None,
        }
    }

    /// How many claims are held, if it is known.
    pub fn in_flight(&self) -> Option<usize> {
        match self {
            Self::Memory(store) => Some(store.in_flight()),
            Self::Sqlite(_) | Self::Inbox(_) | Self::Redis(_) | Self::Postgres(_) => None,
        }
    }

    /// Forgets an id that is done. Returns `false` if it is unknown or in flight.
    pub async fn forget(&self, key: &ReplayKey) -> Result<bool, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.forget(key)),
            Self::Sqlite(store) => store.forget(key.clone()).await,
            Self::Inbox(_) => Ok(false),
            Self::Redis(store) => store.forget(key.clone()).await,
            Self::Postgres(store) => store.forget(key.clone()).await,
        }
    }

    /// Whether both remember the same ids.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(other)) => Arc::ptr_eq(one, other),
            // A reload keeps the store.
            (Self::Sqlite(_), Self::Sqlite(_))
            | (Self::Redis(_), Self::Redis(_))
            | (Self::Postgres(_), Self::Postgres(_)) => true,
            _ => false,
        }
    }
}

impl ReplayStore for SourceStore {
    type Claiming = StoreCall<Claim>;
    type Confirming = StoreCall<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Self::Claiming {
        match self {
            Self::Memory(store) => StoreCall::Memory(store.claim(key, lease, now)),
            Self::Sqlite(store) => StoreCall::Sqlite(store.claim(key, lease, now)),
            Self::Inbox(_) => StoreCall::Memory(ready(Ok(Claim::Fresh(ClaimToken::new(key, 0))))),
            Self::Redis(store) => StoreCall::Redis(store.claim(key, lease, now)),
            Self::Postgres(store) => StoreCall::Postgres(store.claim(key, lease, now)),
        }
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Self::Confirming {
        match self {
            Self::Memory(store) => StoreCall::Memory(store.confirm(token, now)),
            Self::Sqlite(store) => StoreCall::Sqlite(store.confirm(token, now)),
            Self::Inbox(_) => StoreCall::Memory(ready(Ok(Settled::Recorded))),
            Self::Redis(store) => StoreCall::Redis(store.confirm(token, now)),
            Self::Postgres(store) => StoreCall::Postgres(store.confirm(token, now)),
        }
    }

    fn release(&self, token: ClaimToken) {
        match self {
            Self::Memory(store) => store.release(token),
            Self::Sqlite(store) => store.release(token),
            Self::Inbox(_) => drop(token),
            Self::Redis(store) => store.release(token),
            Self::Postgres(store) => store.release(token),
        }
    }

    fn retain(&self) -> Option<Duration> {
        match self {
            Self::Memory(store) => ReplayStore::retain(store),
            Self::Sqlite(store) => store.retain(),
            Self::Inbox(retain) => Some(*retain),
            Self::Redis(store) => store.retain(),
            Self::Postgres(store) => store.retain(),
        }
    }
}

/// A call of one of the stores.
#[derive(Debug)]
pub enum StoreCall<T> {
    /// In memory.
    Memory(Ready<Result<T, StoreError>>),
    /// In an SQLite file.
    Sqlite(Waiting<T>),
    /// In Redis or Valkey.
    Redis(redis::Call<T>),
    /// In PostgreSQL.
    Postgres(postgres::Call<T>),
}

impl<T> Future for StoreCall<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Memory(call) => Pin::new(call).poll(context),
            Self::Sqlite(call) => Pin::new(call).poll(context),
            Self::Redis(call) => Pin::new(call).poll(context),
            Self::Postgres(call) => Pin::new(call).poll(context),
        }
    }
}
