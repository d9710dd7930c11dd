//! The result of one run of the load generator.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spread::nearest_rank;

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
    /// The responses with these statuses and latencies, which arrived within the time that was `taken`.
    pub fn new(statuses: BTreeMap<u16, u64>, mut latencies: Vec<Duration>, taken: Duration) -> Self {
        latencies.sort_unstable();
        let micros = |percent| match &latencies[..] {
            [] => 0.0,
            sorted => nearest_rank(sorted, percent).as_secs_f64() * 1e6,
        };
        let responses = f64::from(u32::try_from(latencies.len()).unwrap_or(u32::MAX));
        Self {
            requests_per_second: responses / taken.as_secs_f64(),
            p50_micros: micros(50),
            p99_micros: micros(99),
            statuses,
        }
    }

    /// The work took longer than until the last response.
    pub(crate) fn add_time(&mut self, time: Duration) {
        let responses = f64::from(u32::try_from(self.responses()).unwrap_or(u32::MAX));
        self.requests_per_second = responses / (responses / self.requests_per_second + time.as_secs_f64());
    }

    /// The number of all responses.
    pub fn responses(&self) -> u64 {
        self.statuses.values().sum()
    }
}
