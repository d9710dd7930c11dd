//! The result of one run of the load generator.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One run against one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// The number of responses with each status.
    pub statuses: BTreeMap<u16, u64>,
    /// Responses per second.
    pub requests_per_second: f64,
    /// The median of the latencies, in microseconds.
    pub p50_micros: f64,
    /// The 99th percentile of the latencies, in microseconds.
    pub p99_micros: f64,
}

impl Measurement {
    /// The number of all responses.
    pub fn responses(&self) -> u64 {
        self.statuses.values().sum()
    }
}
