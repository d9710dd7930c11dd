//! The figures of a store that all sources share.

use std::time::Duration;

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
