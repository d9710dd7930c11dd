use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

/// The number of lines for one reason that may be written at once.
const BURST: u32 = 10;
/// After that, one more line is allowed in each period of this length.
const EVERY: Duration = Duration::from_secs(1);

/// Limits the rate of lines separately for each reason, so that a flood of one does not hide another. The number of
/// reasons is fixed.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    buckets: Mutex<BTreeMap<&'static str, Bucket>>,
    suppressed: Counter,
}

impl Throttle {
    /// Whether a line of this reason may be written now. If not, it is counted.
    pub(super) fn admits(&self, reason: &'static str, now: Instant) -> bool {
        let admitted = self.lock().entry(reason).or_insert_with(|| Bucket::full(now)).admits(now);
        if !admitted {
            self.suppressed.inc();
        }
        admitted
    }

    /// Returns how many lines of each reason were suppressed since the last call.
    pub(super) fn take_suppressed(&self) -> Vec<(&'static str, u64)> {
        let mut buckets = self.lock();
        let taken = buckets.iter_mut().map(|(reason, bucket)| (*reason, std::mem::take(&mut bucket.suppressed)));
        taken.filter(|(_, suppressed)| *suppressed > 0).collect()
    }

    /// Counts all suppressed lines.
    pub(super) fn suppressed(&self) -> Counter {
        self.suppressed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token bucket, and the number of lines that found it empty.
#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// The time of the last token. The next one follows [`EVERY`] later.
    filled_at: Instant,
    suppressed: u64,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { tokens: BURST, filled_at: now, suppressed: 0 }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled_at);
        let come = u32::try_from(elapsed.as_millis() / EVERY.as_millis()).unwrap_or(u32::MAX);
        if come >= BURST - self.tokens {
            (self.tokens, self.filled_at) = (BURST, now);
        } else {
            self.tokens += come;
            self.filled_at += EVERY * come;
        }
        let admitted = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        self.suppressed += u64::from(!admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use countersign::clock::{Clock, SystemClock};

    use super::*;

    #[test]
    fn a_flood_gets_a_burst_and_then_a_line_a_second_and_each_is_counted() {
        let (throttle, start) = (Throttle::default(), SystemClock.instant());
        let admitted = |range: std::ops::Range<u64>| {
            range.filter(|ms| throttle.admits("no_route", start + Duration::from_millis(*ms))).count() as u64
        };
        let first = admitted(0..500);
        assert_eq!((first, throttle.take_suppressed()), (10, vec![("no_route", 490)]));
        let second = admitted(500..60_500);
        assert_eq!((second, throttle.take_suppressed()), (60, vec![("no_route", 59_940)]));
        assert_eq!((throttle.take_suppressed(), throttle.suppressed().get()), (vec![], 60_430));
        // After a pause the bucket is full again, but not overfull.
        assert_eq!(admitted(1_000_000..1_000_500), 10);
    }

    #[test]
    fn one_flood_does_not_hide_another_reason() {
        let (throttle, now) = (Throttle::default(), SystemClock.instant());
        while throttle.admits("no_route", now) {}
        assert!(throttle.admits("signature_mismatch", now));
        assert_eq!(throttle.take_suppressed(), [("no_route", 1)]);
    }

    #[test]
    fn a_clock_that_seems_to_go_back_admits_no_more() {
        let (throttle, now) = (Throttle::default(), SystemClock.instant());
        let later = now + Duration::from_secs(5);
        while throttle.admits("a", later) {}
        assert!(!throttle.admits("a", now));
        assert!(!throttle.admits("a", later));
    }
}
