//! Whether the gateway accepts connections yet, and whether it is about to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many listeners have yet to begin to accept, and whether the process was asked to stop. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    to_start: AtomicUsize,
    is_stopping: AtomicBool,
}

impl Lifecycle {
    /// Whether all listeners accept connections.
    pub fn has_started(&self) -> bool {
        self.0.to_start.load(Ordering::Acquire) == 0
    }

    /// Whether the process was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Acquire)
    }

    /// One more listener is about to start.
    pub(crate) fn add_listener(&self) {
        self.0.to_start.fetch_add(1, Ordering::AcqRel);
    }

    /// A listener accepts connections.
    pub(crate) fn listener_started(&self) {
        self.0.to_start.fetch_sub(1, Ordering::AcqRel);
    }

    /// The process was asked to stop.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Release);
    }
}
