//! The limit on requests of a route that are at its backends.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts the requests of a route that are at its backends, and limits them. Clones share it.
#[derive(Clone, Debug)]
pub struct InFlight {
    limit: Option<Arc<Semaphore>>,
    count: Gauge<i64, AtomicI64>,
}

/// One request at a backend, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    count: Gauge<i64, AtomicI64>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    /// At most `limit` requests, or any number, which `count` shows.
    pub fn new(limit: Option<usize>, count: Gauge<i64, AtomicI64>) -> Self {
        let limit = limit.map(|limit| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))));
        Self { limit, count }
    }

    /// A slot for one more request, or `None` if there is none. It does not wait: the sender retries.
    pub(super) fn enter(&self) -> Option<Slot> {
        let permit = match &self.limit {
            Some(limit) => Some(Arc::clone(limit).try_acquire_owned().ok()?),
            None => None,
        };
        self.count.inc();
        Some(Slot { count: self.count.clone(), _permit: permit })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.count.dec();
    }
}
