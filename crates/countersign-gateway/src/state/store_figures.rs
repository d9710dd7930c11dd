//! The figures of a store that all sources share.

use std::time::Duration;

use super::store::Engine;

/// What a store has counted. Figures that it does not know are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Transactions that were committed.
    pub batches: u64,
    /// The operations in them.
    pub operations: u64,
    /// Transactions that failed.
    pub errors: u64,
    /// The time of all transactions.
    pub busy: Duration,
    /// Operations that wait.
    pub queued: u64,
    /// Messages in the inbox. In PostgreSQL, as of the last readiness check.
    pub messages: Option<u64>,
    /// Ids that are remembered.
    pub ids: Option<u64>,
    /// The size of the file in bytes.
    pub size: Option<u64>,
    /// Whether the last transaction failed.
    pub failing: bool,
    /// Whether there is no room.
    pub full: Option<bool>,
}

impl Engine {
    /// The figures, if the store counts.
    pub fn figures(&self) -> Option<Figures> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        match self {
            Self::Memory | Self::Redis(_) => None,
            Self::Sqlite(store) => {
                let stats = store.stats();
                Some(Figures {
                    batches: stats.batches,
                    operations: stats.operations,
                    errors: stats.errors,
                    busy: stats.busy,
                    queued: count(stats.queued),
                    messages: Some(stats.messages),
                    ids: Some(count(stats.ids)),
                    size: Some(stats.size),
                    failing: stats.failing,
                    full: Some(stats.full),
                })
            }
            Self::Postgres(store) => {
                let stats = store.stats();
                Some(Figures {
                    batches: stats.batches,
                    operations: stats.operations,
                    errors: stats.errors,
                    busy: stats.busy,
                    queued: count(stats.queued),
                    messages: Some(stats.messages),
                    ids: None,
                    size: None,
                    failing: stats.failing,
                    full: None,
                })
            }
        }
    }
}
