//! What a store counts.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The counts of a store since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many transactions were committed.
    pub batches: u64,
    /// How many operations they contained.
    pub operations: u64,
    /// How many transactions failed.
    pub errors: u64,
    /// The time of all transactions, committed or not.
    pub busy: Duration,
    /// How many operations wait.
    pub queued: usize,
    /// How many ids are remembered.
    pub ids: usize,
    /// How many messages are in the inbox.
    pub messages: u64,
    /// The size of the file that is in use, in bytes.
    pub size: u64,
    /// Whether the last transaction failed, other than for a full disk.
    pub failing: bool,
    /// Whether there is no room, on the disk or by the maximum size of the file. After a full disk, it ends when
    /// something was added again.
    pub full: bool,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) batches: AtomicU64,
    pub(crate) operations: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) busy_micros: AtomicU64,
    pub(crate) ids: AtomicUsize,
    pub(crate) messages: AtomicU64,
    pub(crate) size: AtomicU64,
    pub(crate) failing: AtomicBool,
    pub(crate) full: AtomicBool,
}

impl Meter {
    pub(crate) fn read(&self, queued: usize) -> Stats {
        let order = Ordering::Relaxed;
        Stats {
            batches: self.batches.load(order),
            operations: self.operations.load(order),
            errors: self.errors.load(order),
            busy: Duration::from_micros(self.busy_micros.load(order)),
            queued,
            ids: self.ids.load(order),
            messages: self.messages.load(order),
            size: self.size.load(order),
            failing: self.failing.load(order),
            full: self.full.load(order),
        }
    }
}
