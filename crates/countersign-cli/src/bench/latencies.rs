//! Latencies in buckets: exact to 1.6 percent, in a fixed amount of memory.

use std::time::Duration;

/// Buckets for each doubling of the latency.
const STEPS: u64 = 64;
/// Enough buckets for every `u64` of microseconds.
const BUCKETS: usize = 64 * 60;

/// How many requests took how long.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    counts: Box<[u64]>,
    total: u64,
    max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), total: 0, max: Duration::ZERO }
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(latency);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }

    /// The latency that this many percent of the requests did not exceed.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let rank = u64::try_from((u128::from(self.total) * u128::from(percent)).div_ceil(100)).unwrap_or(u64::MAX);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.map_or(self.max, |bucket| Duration::from_micros(upper_bound(bucket))).min(self.max)
    }
}

/// The bucket of a latency. The first 64 have one microsecond each.
fn bucket(micros: u64) -> usize {
    let doublings = u64::from(micros.checked_ilog2().unwrap_or_default().saturating_sub(STEPS.ilog2()));
    let bucket = doublings * STEPS + (micros >> doublings);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The longest latency of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let doublings = (bucket / STEPS).saturating_sub(1);
    let first = bucket - doublings * STEPS;
    (first << doublings) + ((1 << doublings) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_exact_to_a_64th(micros in any::<u64>()) {
            let found = bucket(micros);
            prop_assert!(found < BUCKETS);
            let upper = upper_bound(found);
            prop_assert!(micros <= upper && upper - micros <= micros / STEPS, "{micros} in {found}, up to {upper}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_requests() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(99), Duration::ZERO);
        for micros in 1..=50 {
            latencies.record(Duration::from_micros(micros));
        }
        let mut slow = Latencies::default();
        slow.record(Duration::from_secs(7));
        latencies.add(&slow);
        assert_eq!(latencies.percentile(50), Duration::from_micros(26));
        assert_eq!(latencies.percentile(90), Duration::from_micros(46));
        assert_eq!((latencies.percentile(99), latencies.total()), (Duration::from_secs(7), 51));
    }
}
