//! The store that all sources share, and the part of it that belongs to one source.

use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, MemoryStore, ReplayKey, ReplayStore, Settled, StoreError};
use countersign_inbox::Inbox;
use countersign_postgres::PostgresStore;
use countersign_redis::RedisStore;
use countersign_sqlite::{Options, SqliteClaims, SqliteStore, Waiting};

use super::secrets::Secrets;
use crate::config::{KeyPath, Problem, ReplaySpec, SecretOrigin, StoreSpec};

/// The store that all sources share.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// Each source has its own, in memory.
    #[default]
    Memory,
    /// An SQLite file.
    Sqlite(SqliteStore),
    /// Redis or Valkey.
    Redis(RedisStore),
    /// PostgreSQL.
    Postgres(PostgresStore),
}

impl Engine {
    /// Opens the store for a configuration in this directory. A server is not asked whether it is there.
    pub(crate) fn open(spec: &StoreSpec, folder: &Path) -> Result<Self, Problem> {
        match spec {
            StoreSpec::Memory => Ok(Self::Memory),
            StoreSpec::Sqlite(file) => {
                file.check(folder)?;
                let options = Options::default().max_size(file.max_size).max_messages(file.max_messages);
                let options = options.max_ids(file.max_ids);
                let store = SqliteStore::open(file.path(folder), options);
                store.map(Self::Sqlite).map_err(|error| file.problem(folder, &with_causes(&error)))
            }
            StoreSpec::Redis(server) => {
                let ca = server.ca(folder)?;
                let builder = RedisStore::builder(address(&server.url, folder)?);
                let builder = if let Some(ca) = ca { builder.ca(ca) } else { builder };
                builder.build().map(Self::Redis).map_err(|error| invalid(&error))
            }
            StoreSpec::Postgres(server) => {
                let ca = server.ca(folder)?;
                let builder = PostgresStore::builder(address(&server.url, folder)?);
                let builder = if let Some(ca) = ca { builder.ca(ca) } else { builder };
                builder.build().map(Self::Postgres).map_err(|error| invalid(&error))
            }
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

    /// Asks a server whether it can keep ids, and logs what it lacks. It does not wait: a gateway whose store is down
    /// starts, and is not ready.
    pub(super) fn examine(&self) {
        let engine = self.clone();
        let examined = move || match engine {
            Self::Memory | Self::Sqlite(_) => {}
            Self::Redis(store) => log_weaknesses(store.check().wait()),
            Self::Postgres(store) => log_weaknesses(store.check().wait()),
        };
        if let Err(error) = thread::Builder::new().name("store-check".to_owned()).spawn(examined) {
            tracing::warn!(%error, "the settings of the store were not checked");
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
            Self::Redis(store) => SourceStore::Redis(store.with_retain(replay.retain)),
            Self::Postgres(store) => SourceStore::Postgres(store.with_retain(replay.retain)),
        }
    }

    /// The inbox, if it has one.
    pub fn inbox(&self) -> Option<Arc<dyn Inbox>> {
        match self {
            Self::Memory | Self::Redis(_) => None,
            Self::Sqlite(store) => Some(Arc::new(store.clone())),
            Self::Postgres(store) => Some(Arc::new(store.clone())),
        }
    }

    /// Whether the store accepts writes. After a failure, this tries again.
    pub async fn works(&self) -> bool {
        match self {
            Self::Memory => true,
            Self::Sqlite(store) => !store.stats().failing || store.probe().await.is_ok(),
            Self::Redis(store) => store.check().await.is_ok(),
            Self::Postgres(store) => store.check().await.is_ok(),
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
    /// In the Redis or Valkey of all sources.
    Redis(RedisStore),
    /// In the PostgreSQL of all sources.
    Postgres(PostgresStore),
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
    Redis(countersign_redis::Pending<T>),
    /// In PostgreSQL.
    Postgres(countersign_postgres::Pending<T>),
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

/// The address of a server.
fn address(origin: &SecretOrigin, folder: &Path) -> Result<String, Problem> {
    let at = KeyPath::store().key("url");
    let value = Secrets::new(folder).read_value(&at, origin)?;
    // It is visible ASCII.
    Ok(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Without the cause, which can contain the address, and with it a password.
fn invalid(error: &dyn Error) -> Problem {
    Problem::at(&KeyPath::store().key("url"), error.to_string())
}

fn log_weaknesses<W: fmt::Display>(checked: Result<Vec<W>, StoreError>) {
    match checked {
        Ok(weaknesses) => weaknesses.iter().for_each(|weakness| tracing::warn!("the store: {weakness}")),
        Err(error) => tracing::error!(error = with_causes(&error), "the store does not work"),
    }
}

pub(crate) fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
