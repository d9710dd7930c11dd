//! Whether the gateway accepts connections yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many listeners have yet to begin to accept. Clones share the number.
#[derive(Clone, Debug, Default)]
pub struct Starting(Arc<AtomicUsize>);

impl Starting {
    /// Whether all listeners accept connections.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// One more listener is about to start.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// A listener accepts connections.
    pub(crate) fn has_started(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
