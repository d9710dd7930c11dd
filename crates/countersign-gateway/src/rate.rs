//! Rates: so many in a time, and so many at once. It is the generic cell rate algorithm, which remembers one point in time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_inbox::worker::Pace;

/// A rate, and a burst: how many are allowed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// One more is allowed after each of these intervals.
    every: Duration,
    /// The interval of a whole burst.
    burst: Duration,
}

impl Rate {
    /// `count` in each `per`, and `burst` at once. At least one of each.
    pub fn new(count: u32, per: Duration, burst: u32) -> Self {
        let every = (per / count.max(1)).max(Duration::from_nanos(1));
        Self { every, burst: every.saturating_mul(burst.max(1)) }
    }

    /// Decides on one more at the time `now`. `full_at` is when a whole burst is allowed again; `None` is now. Returns the
    /// next such time, or how long to wait.
    pub fn admit(self, full_at: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
        let next = self.after(full_at, now);
        match next.saturating_duration_since(now).saturating_sub(self.burst) {
            Duration::ZERO => Ok(next),
            wait => Err(wait),
        }
    }

    /// When a whole burst is allowed again after one more, which is counted whether or not it is allowed.
    fn after(self, full_at: Option<Instant>, now: Instant) -> Instant {
        full_at.map_or(now, |at| at.max(now)) + self.every
    }
}

/// Limits a rate.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    full_at: Mutex<Option<Instant>>,
}

impl Limiter {
    /// Allows a whole burst at first.
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::new(None) }
    }

    /// Admits one more, or says how long to wait.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = Some(self.rate.admit(*full_at, now)?);
        Ok(())
    }
}

impl Pace for Limiter {
    fn ready(&self, now: Instant) -> Result<usize, Duration> {
        let full_at = *self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.rate.admit(full_at, now)?;
        let left = self.rate.burst.saturating_sub(next.saturating_duration_since(now));
        let more = left.as_nanos() / self.rate.every.as_nanos().max(1);
        Ok(usize::try_from(more).unwrap_or(usize::MAX).saturating_add(1))
    }

    fn started(&self, count: usize, now: Instant) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            *full_at = Some(self.rate.after(*full_at, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign::clock::{Clock, SystemClock};

    use super::*;

    #[test]
    fn a_burst_is_admitted_at_once_and_then_the_rate() {
        let (start, limiter) = (SystemClock.instant(), Limiter::new(Rate::new(4, Duration::from_secs(1), 8)));
        let admitted = |ms| limiter.admit(start + Duration::from_millis(ms));
        assert_eq!((0..20).filter(|_| admitted(0).is_ok()).count(), 8);
        assert_eq!(admitted(0), Err(Duration::from_millis(250)));
        assert_eq!(admitted(240), Err(Duration::from_millis(10)));
        assert_eq!((250..10_250).filter(|ms| admitted(*ms).is_ok()).count(), 40);
        // After a pause a whole burst is allowed, and no more.
        assert_eq!((0..20).filter(|_| admitted(1_000_000).is_ok()).count(), 8);
        // A clock that seems to go back admits no more.
        assert!(admitted(0).is_err());
    }

    #[test]
    fn a_pace_counts_what_has_started_and_not_what_was_asked() {
        let (start, limiter) = (SystemClock.instant(), Limiter::new(Rate::new(4, Duration::from_secs(1), 8)));
        assert_eq!((limiter.ready(start), limiter.ready(start)), (Ok(8), Ok(8)));
        limiter.started(3, start);
        assert_eq!(limiter.ready(start), Ok(5));
        limiter.started(5, start);
        assert_eq!(limiter.ready(start), Err(Duration::from_millis(250)));
        assert_eq!(limiter.ready(start + Duration::from_millis(500)), Ok(2));
    }

    #[test]
    fn a_rate_that_does_not_divide_its_time_is_not_exceeded_by_much() {
        let (start, limiter) = (SystemClock.instant(), Limiter::new(Rate::new(7, Duration::from_secs(1), 1)));
        let admitted = (0..60_000).filter(|ms| limiter.admit(start + Duration::from_millis(*ms)).is_ok()).count();
        assert!((410..=421).contains(&admitted), "{admitted}");
    }
}
