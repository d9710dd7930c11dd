//! The destinations that an operator has paused.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The destinations that get no new attempts. Clones share it. A reload keeps it, and a restart forgets it.
#[derive(Clone, Debug, Default)]
pub struct Pauses(watch::Sender<BTreeSet<String>>);

impl Pauses {
    /// Pauses or resumes this destination. Returns `false` if nothing changes.
    pub fn set(&self, destination: &str, is_paused: bool) -> bool {
        self.0.send_if_modified(|paused| {
            if is_paused { paused.insert(destination.to_owned()) } else { paused.remove(destination) }
        })
    }

    /// Whether this destination is paused.
    pub fn contains(&self, destination: &str) -> bool {
        self.0.borrow().contains(destination)
    }

    /// Waits until this destination is not paused.
    pub(super) async fn resumed(&self, destination: &str) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|paused| !paused.contains(destination)).await;
    }
}
