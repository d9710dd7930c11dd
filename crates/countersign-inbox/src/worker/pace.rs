//! How many attempts may start in a time.

use std::time::{Duration, Instant};

/// Limits how many attempts a worker starts. It is asked before deliveries are leased, and told how many were.
pub trait Pace: Send + Sync + 'static {
    /// How many attempts may start now: at least one. Otherwise, how long to wait.
    fn ready(&self, now: Instant) -> Result<usize, Duration>;

    /// Counts attempts that start now.
    fn started(&self, count: usize, now: Instant);
}
