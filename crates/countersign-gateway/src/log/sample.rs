use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::Share;

/// Chooses the successful requests that get a log line. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    share: Share,
    seen: Arc<AtomicU64>,
}

impl Sampler {
    /// Chooses this share, evenly spread.
    pub(crate) fn new(share: Share) -> Self {
        Self { share, seen: Arc::default() }
    }

    /// Whether the present request gets a line.
    pub(crate) fn chooses(&self) -> bool {
        self.share.is_all() || self.share.includes(self.seen.fetch_add(1, Ordering::Relaxed))
    }
}
