//! What one run of the load generator says to whoever started it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One run against one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// Requests that were answered, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers a second.
    pub requests_per_second: f64,
    /// The median of the latencies, in microseconds.
    pub p50_micros: f64,
    /// The 99th percentile of the latencies, in microseconds.
    pub p99_micros: f64,
}

impl Measurement {
    /// Whether every answer was a 2xx, and there was one.
    pub fn all_succeeded(&self) -> bool {
        !self.statuses.is_empty() && self.statuses.keys().all(|status| (200..300).contains(status))
    }
}
