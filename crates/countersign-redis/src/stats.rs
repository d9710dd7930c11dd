//! What a store counts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::fill::Fill;

/// The counts of a store since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many calls the server has carried out.
    pub calls: u64,
    /// How many calls failed. One that is repeated can fail several times.
    pub errors: u64,
    /// The time of all calls, whether they failed or not, with the time to connect. Calls at the same time all count.
    pub busy: Duration,
    /// How many claims wait.
    pub queued: usize,
    /// How many keys the database had at the last [`check`](crate::RedisStore::check), on all nodes of a cluster together.
    /// They are the ids, unless others use the database, too. `None` before the first check, and if the server does not let
    /// this user ask for it.
    pub ids: Option<u64>,
    /// The memory that the server used then, in bytes.
    pub memory: Option<u64>,
    /// Whether the last call failed. It does not if the server's memory is full.
    pub failing: bool,
    /// Whether the server rejected the last claim because its memory is full.
    pub full: bool,
}

/// The counters behind [`Stats`].
#[derive(Debug)]
pub(crate) struct Meter {
    calls: AtomicU64,
    errors: AtomicU64,
    busy_micros: AtomicU64,
    ids: AtomicU64,
    memory: AtomicU64,
    failing: AtomicBool,
    full: AtomicBool,
}

/// A figure that is not known.
const UNKNOWN: u64 = u64::MAX;

impl Default for Meter {
    fn default() -> Self {
        let unknown = || AtomicU64::new(UNKNOWN);
        Self {
            calls: AtomicU64::default(),
            errors: AtomicU64::default(),
            busy_micros: AtomicU64::default(),
            ids: unknown(),
            memory: unknown(),
            failing: AtomicBool::default(),
            full: AtomicBool::default(),
        }
    }
}

impl Meter {
    pub(crate) fn count(&self, is_ok: bool, is_failing: bool, busy: Duration) {
        let order = Ordering::Relaxed;
        let counter = if is_ok { &self.calls } else { &self.errors };
        counter.fetch_add(1, order);
        self.busy_micros.fetch_add(u64::try_from(busy.as_micros()).unwrap_or(UNKNOWN), order);
        self.failing.store(is_failing, order);
    }

    pub(crate) fn set_full(&self, is_full: bool) {
        self.full.store(is_full, Ordering::Relaxed);
    }

    pub(crate) fn set_fill(&self, fill: Fill) {
        self.ids.store(fill.ids.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.memory.store(fill.memory.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    pub(crate) fn read(&self, queued: usize) -> Stats {
        let order = Ordering::Relaxed;
        let known = |figure: &AtomicU64| Some(figure.load(order)).filter(|figure| *figure != UNKNOWN);
        Stats {
            calls: self.calls.load(order),
            errors: self.errors.load(order),
            busy: Duration::from_micros(self.busy_micros.load(order)),
            queued,
            ids: known(&self.ids),
            memory: known(&self.memory),
            failing: self.failing.load(order),
            full: self.full.load(order),
        }
    }
}
