//! What a store counts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The counts of a store since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many transactions were committed.
    pub batches: u64,
    /// How many operations they contained.
    pub operations: u64,
    /// How many transactions failed.
    pub errors: u64,
    /// The time of all transactions, committed or not, with the time to connect.
    pub busy: Duration,
    /// How many claims and messages wait.
    pub queued: usize,
    /// How many messages the inbox had at the last [`check`](crate::PostgresStore::check).
    pub messages: u64,
    /// Whether the last transaction failed.
    pub failing: bool,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Meter {
    batches: AtomicU64,
    operations: AtomicU64,
    errors: AtomicU64,
    busy_micros: AtomicU64,
    messages: AtomicU64,
    failing: AtomicBool,
}

impl Meter {
    pub(crate) fn count(&self, operations: usize, is_ok: bool, busy: Duration) {
        let order = Ordering::Relaxed;
        if is_ok {
            self.batches.fetch_add(1, order);
            self.operations.fetch_add(u64::try_from(operations).unwrap_or(u64::MAX), order);
        } else {
            self.errors.fetch_add(1, order);
        }
        self.busy_micros.fetch_add(u64::try_from(busy.as_micros()).unwrap_or(u64::MAX), order);
        self.failing.store(!is_ok, order);
    }

    pub(crate) fn set_messages(&self, messages: u64) {
        self.messages.store(messages, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, queued: usize) -> Stats {
        let order = Ordering::Relaxed;
        Stats {
            batches: self.batches.load(order),
            operations: self.operations.load(order),
            errors: self.errors.load(order),
            busy: Duration::from_micros(self.busy_micros.load(order)),
            queued,
            messages: self.messages.load(order),
            failing: self.failing.load(order),
        }
    }
}
