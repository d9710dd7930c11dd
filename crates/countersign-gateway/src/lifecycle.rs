//! Whether the gateway accepts connections yet, and whether it is about to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// How many listeners have yet to begin to accept, and whether the process was asked to stop. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    to_start: watch::Sender<usize>,
    is_stopping: watch::Sender<bool>,
    has_successor: AtomicBool,
}

impl Lifecycle {
    /// Whether all listeners accept connections.
    pub fn has_started(&self) -> bool {
        *self.0.to_start.borrow() == 0
    }

    /// Waits until all listeners accept connections.
    pub(crate) async fn started(&self) {
        // `self` keeps the sender alive.
        let _ = self.0.to_start.subscribe().wait_for(|to_start| *to_start == 0).await;
    }

    /// Whether the process was asked to stop.
    pub fn is_stopping(&self) -> bool {
        *self.0.is_stopping.borrow()
    }

    /// Whether another process accepts connections in place of this one.
    pub fn has_successor(&self) -> bool {
        self.0.has_successor.load(Ordering::Acquire)
    }

    /// Waits until the process is asked to stop.
    pub(crate) async fn stopping(&self) {
        // `self` keeps the sender alive.
        let _ = self.0.is_stopping.subscribe().wait_for(|is_stopping| *is_stopping).await;
    }

    /// One more listener is about to start.
    pub(crate) fn add_listener(&self) {
        self.0.to_start.send_modify(|to_start| *to_start += 1);
    }

    /// A listener accepts connections.
    pub(crate) fn listener_started(&self) {
        self.0.to_start.send_modify(|to_start| *to_start = to_start.saturating_sub(1));
    }

    /// The process was asked to stop.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.send_replace(true);
    }

    /// Another process accepts connections now, so that this one stops.
    pub(crate) fn hand_over(&self) {
        self.0.has_successor.store(true, Ordering::Release);
        self.stop();
    }
}
