//! The store that all sources share.

#[cfg(any(not(feature = "postgres"), not(feature = "redis")))]
mod absent;
mod figures;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod server;
mod source_store;
mod sqlite;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use countersign::replay::{MemoryStore, StoreError};
use countersign_inbox::Inbox;
use countersign_sqlite::SqliteStore;

#[cfg(not(feature = "postgres"))]
use self::absent as postgres;
#[cfg(not(feature = "redis"))]
use self::absent as redis;
use crate::causes::with_causes;
use crate::config::{Problem, ReplaySpec, StoreSpec};
pub use figures::Figures;
pub use source_store::SourceStore;

/// The store that all sources share.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// Each source has its own, in memory.
    #[default]
    Memory,
    /// An SQLite file.
    Sqlite(SqliteStore),
    /// Redis or Valkey.
    Redis(redis::Store),
    /// PostgreSQL.
    Postgres(postgres::Store),
}

impl Engine {
    /// Opens the store for a configuration in this directory. A server is not asked whether it is there.
    pub(crate) fn open(spec: &StoreSpec, folder: &Path) -> Result<Self, Problem> {
        match spec {
            StoreSpec::Memory => Ok(Self::Memory),
            StoreSpec::Sqlite(file) => sqlite::open(file, folder).map(Self::Sqlite),
            StoreSpec::Redis(server) => redis::open(server, folder).map(Self::Redis),
            StoreSpec::Postgres(server) => postgres::open(server, folder).map(Self::Postgres),
        }
    }

    /// Checks the store without opening it.
    pub(super) fn check(spec: &StoreSpec, folder: &Path) -> Result<(), Problem> {
        match spec {
            StoreSpec::Memory => Ok(()),
            StoreSpec::Sqlite(file) => file.check(folder),
            StoreSpec::Redis(_) | StoreSpec::Postgres(_) => Self::open(spec, folder).map(drop),
        }
    }

    /// Asks a server for settings with which it can lose ids. `None` without a server. Blocks the thread.
    pub(crate) fn weaknesses(&self) -> Option<Result<Vec<String>, StoreError>> {
        match self {
            Self::Memory | Self::Sqlite(_) => None,
            Self::Redis(store) => Some(redis::weaknesses(store)),
            Self::Postgres(store) => Some(postgres::weaknesses(store)),
        }
    }

    /// Logs the [weaknesses](Self::weaknesses). It does not wait: a gateway whose store is down starts, and is not ready.
    pub(super) fn examine(&self) {
        let engine = self.clone();
        let examined = move || match engine.weaknesses() {
            None => {}
            Some(Ok(weaknesses)) => weaknesses.iter().for_each(|weakness| tracing::warn!("the store: {weakness}")),
            Some(Err(error)) => tracing::error!(error = with_causes(&error), "the store does not work"),
        };
        if let Err(error) = thread::Builder::new().name("store-check".to_owned()).spawn(examined) {
            tracing::warn!(%error, "the settings of the store were not checked");
        }
    }

    /// Creates the tables of PostgreSQL, or brings them up to date. Blocks the thread.
    pub(crate) fn migrate(&self) -> Result<(), String> {
        match self {
            Self::Postgres(store) => postgres::migrate(store)
                .map_err(|error| format!("the tables cannot be brought up to date: {}", with_causes(&error))),
            _ => Err("only `engine = \"postgres\"` has tables: leave out `--migrate`".to_owned()),
        }
    }

    /// The SQL that creates the tables of PostgreSQL. `None` if the gateway was built without it.
    pub(crate) fn schema() -> Option<String> {
        postgres::schema()
    }

    /// The store of a source with these settings.
    #[cfg_attr(
        any(not(feature = "postgres"), not(feature = "redis")),
        expect(unreachable_code, reason = "a store that was not built has no values")
    )]
    pub(super) fn store(&self, replay: &ReplaySpec) -> SourceStore {
        match self {
            Self::Memory => {
                let store = MemoryStore::builder().capacity(replay.capacity).retain(replay.retain).build();
                SourceStore::Memory(Arc::new(store))
            }
            Self::Sqlite(store) => SourceStore::Sqlite(store.claims(replay.retain, replay.capacity)),
            Self::Redis(store) => SourceStore::Redis(store.with_retain(replay.retain)),
            Self::Postgres(store) => SourceStore::Postgres(store.with_retain(replay.retain)),
        }
    }

    /// The inbox, if it has one.
    pub fn inbox(&self) -> Option<Arc<dyn Inbox>> {
        match self {
            Self::Memory | Self::Redis(_) => None,
            Self::Sqlite(store) => Some(Arc::new(store.clone())),
            Self::Postgres(store) => Some(postgres::inbox(store)),
        }
    }

    /// Whether the store accepts writes. After a failure, this tries again.
    pub async fn works(&self) -> bool {
        match self {
            Self::Memory => true,
            Self::Sqlite(store) => !store.stats().failing || store.probe().await.is_ok(),
            Self::Redis(store) => redis::works(store).await,
            Self::Postgres(store) => postgres::works(store).await,
        }
    }

    /// The figures, if the store counts.
    pub fn figures(&self) -> Option<Figures> {
        match self {
            Self::Memory => None,
            Self::Sqlite(store) => Some(sqlite::figures(store)),
            Self::Redis(store) => Some(redis::figures(store)),
            Self::Postgres(store) => Some(postgres::figures(store)),
        }
    }
}
