//! The store that all sources share, and the part of it that belongs to one source.

use std::error::Error;
use std::future::ready;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, MemoryStore, ReplayKey, ReplayStore, Settled, StoreError};
use countersign_inbox::Inbox;
use countersign_sqlite::{Options, SqliteClaims, SqliteStore, Waiting};

use crate::config::{Problem, ReplaySpec, StoreSpec};

/// The store that all sources share.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// Each source has its own, in memory.
    #[default]
    Memory,
    /// An SQLite file.
    Sqlite(SqliteStore),
}

impl Engine {
    /// Opens the store for a configuration in this directory.
    pub(super) fn open(spec: &StoreSpec, folder: &Path) -> Result<Self, Problem> {
        match spec {
            StoreSpec::Memory => Ok(Self::Memory),
            StoreSpec::Sqlite(file) => {
                file.check(folder)?;
                let options = Options::default().max_size(file.max_size);
                let store = SqliteStore::open(file.path(folder), options);
                store.map(Self::Sqlite).map_err(|error| file.problem(folder, &with_causes(&error)))
            }
        }
    }

    /// Checks the store without opening it.
    pub(super) fn check(spec: &StoreSpec, folder: &Path) -> Result<(), Problem> {
        match spec {
            StoreSpec::Memory => Ok(()),
            StoreSpec::Sqlite(file) => file.check(folder),
        }
    }

    /// The store of a source with these settings.
    pub(super) fn store(&self, replay: &ReplaySpec) -> SourceStore {
        match self {
            Self::Memory => {
                let store = MemoryStore::builder().capacity(replay.capacity).retain(replay.retain).build();
                SourceStore::Memory(Arc::new(store))
            }
            Self::Sqlite(store) => SourceStore::Sqlite(store.claims(replay.retain, replay.capacity)),
        }
    }

    /// The inbox, if it has one.
    pub fn inbox(&self) -> Option<Arc<dyn Inbox>> {
        match self {
            Self::Memory => None,
            Self::Sqlite(store) => Some(Arc::new(store.clone())),
        }
    }

    /// Whether the store accepts writes. After a failure, this tries again.
    pub async fn works(&self) -> bool {
        match self {
            Self::Memory => true,
            Self::Sqlite(store) => !store.stats().failing || store.probe().await.is_ok(),
        }
    }
}

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
}

impl SourceStore {
    /// How many ids take up room in it, as far as is known.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(store) => store.len(),
            Self::Sqlite(store) => store.len(),
            Self::Inbox(_) => 0,
        }
    }

    /// Whether it is empty, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many ids it has room for.
    pub fn capacity(&self) -> usize {
        match self {
            Self::Memory(store) => store.capacity(),
            Self::Sqlite(store) => store.capacity(),
            Self::Inbox(_) => 0,
        }
    }

    /// How many claims are held, if it is known.
    pub fn in_flight(&self) -> Option<usize> {
        match self {
            Self::Memory(store) => Some(store.in_flight()),
            Self::Sqlite(_) | Self::Inbox(_) => None,
        }
    }

    /// Forgets an id that is done. Returns `false` if it is unknown or in flight.
    pub async fn forget(&self, key: &ReplayKey) -> Result<bool, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.forget(key)),
            Self::Sqlite(store) => store.forget(key.clone()).await,
            Self::Inbox(_) => Ok(false),
        }
    }

    /// Whether both remember the same ids.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(other)) => Arc::ptr_eq(one, other),
            // A reload keeps the file.
            (Self::Sqlite(_), Self::Sqlite(_)) => true,
            _ => false,
        }
    }
}

impl ReplayStore for SourceStore {
    type Claiming = StoreCall<<MemoryStore as ReplayStore>::Claiming, Waiting<Claim>>;
    type Confirming = StoreCall<<MemoryStore as ReplayStore>::Confirming, Waiting<Settled>>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Self::Claiming {
        match self {
            Self::Memory(store) => StoreCall::Memory(store.claim(key, lease, now)),
            Self::Sqlite(store) => StoreCall::Sqlite(store.claim(key, lease, now)),
            Self::Inbox(_) => StoreCall::Memory(ready(Ok(Claim::Fresh(ClaimToken::new(key, 0))))),
        }
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Self::Confirming {
        match self {
            Self::Memory(store) => StoreCall::Memory(store.confirm(token, now)),
            Self::Sqlite(store) => StoreCall::Sqlite(store.confirm(token, now)),
            Self::Inbox(_) => StoreCall::Memory(ready(Ok(Settled::Recorded))),
        }
    }

    fn release(&self, token: ClaimToken) {
        match self {
            Self::Memory(store) => store.release(token),
            Self::Sqlite(store) => store.release(token),
            Self::Inbox(_) => drop(token),
        }
    }

    fn retain(&self) -> Option<Duration> {
        match self {
            Self::Memory(store) => ReplayStore::retain(store),
            Self::Sqlite(store) => store.retain(),
            Self::Inbox(retain) => Some(*retain),
        }
    }
}

/// A call of one of the stores.
#[derive(Debug)]
pub enum StoreCall<M, S> {
    /// In memory.
    Memory(M),
    /// In an SQLite file.
    Sqlite(S),
}

impl<M: Future + Unpin, S: Future<Output = M::Output> + Unpin> Future for StoreCall<M, S> {
    type Output = M::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<M::Output> {
        match &mut *self {
            Self::Memory(call) => Pin::new(call).poll(context),
            Self::Sqlite(call) => Pin::new(call).poll(context),
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
