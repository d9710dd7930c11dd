//! Which upstreams are left out because they failed several times in a row, and for how long.

use std::time::{Duration, Instant};

use crate::config::EjectSpec;

/// The recent failures of one upstream.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    /// Failures since the last response.
    failures: usize,
    /// Ejections since the last response.
    ejections: u32,
    /// When the current ejection ends.
    until: Option<Instant>,
    /// Whether a request was sent after the end of an ejection, to see if the upstream works again.
    is_on_trial: bool,
}

impl Ejection {
    /// Whether it is ejected, or on trial after an ejection.
    pub(super) fn is_ejected(&self) -> bool {
        self.until.is_some()
    }

    /// Whether it may get a request. After an ejection it gets a single one, and the others once that had a response.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// It gets a request.
    pub(super) fn begin(&mut self, spec: &EjectSpec, now: Instant) {
        if self.until.is_some_and(|until| now >= until) {
            self.is_on_trial = true;
            // If the outcome of this request never becomes known, there is another trial then.
            self.until = Some(now + spec.base);
        }
    }

    /// It responded. Returns whether that ends an ejection.
    pub(super) fn succeed(&mut self) -> bool {
        let was_ejected = self.is_ejected();
        *self = Self::default();
        was_ejected
    }

    /// It did not respond. Returns for how long it is ejected, if that begins an ejection.
    pub(super) fn fail(&mut self, spec: &EjectSpec, now: Instant) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        // Requests that began before an ejection do not extend it.
        if self.failures < spec.after || (self.is_ejected() && !self.is_on_trial) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(self.ejections);
        let length = spec.base.saturating_mul(doubled).min(spec.max);
        self.ejections = self.ejections.saturating_add(1);
        self.is_on_trial = false;
        self.until = Some(now + length);
        Some(length)
    }

    /// The failures since the last response.
    pub(super) fn failures(&self) -> usize {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use countersign::clock::{Clock, SystemClock};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SPEC: EjectSpec = EjectSpec { after: 3, base: SECOND, max: Duration::from_secs(3) };

    #[test]
    fn only_failures_in_a_row_eject() {
        let (mut ejection, now) = (Ejection::default(), SystemClock.instant());
        for _ in 0..5 {
            assert_eq!((ejection.fail(&SPEC, now), ejection.fail(&SPEC, now)), (None, None));
            assert!(!ejection.succeed());
        }
        assert!(ejection.admits(now) && !ejection.is_ejected());
        assert_eq!((ejection.fail(&SPEC, now), ejection.fail(&SPEC, now)), (None, None));
        assert_eq!(ejection.fail(&SPEC, now), Some(SECOND));
        assert!(!ejection.admits(now) && ejection.is_ejected());
        assert_eq!(ejection.failures(), 3);
    }

    #[test]
    fn an_ejection_that_follows_an_ejection_is_twice_as_long() {
        let (mut ejection, mut now) = (Ejection::default(), SystemClock.instant());
        let _ = (ejection.fail(&SPEC, now), ejection.fail(&SPEC, now));
        for length in [1, 2, 3, 3].map(Duration::from_secs) {
            assert_eq!(ejection.fail(&SPEC, now), Some(length));
            assert!(!ejection.admits(now + length / 2));
            now += length;
            assert!(ejection.admits(now));
            ejection.begin(&SPEC, now);
        }
        assert!(ejection.succeed());
        assert!(ejection.admits(now) && !ejection.is_ejected());
        // From the beginning.
        let _ = (ejection.fail(&SPEC, now), ejection.fail(&SPEC, now));
        assert_eq!(ejection.fail(&SPEC, now), Some(SECOND));
    }

    #[test]
    fn one_request_at_a_time_tries_an_upstream_after_its_ejection() {
        let (mut ejection, now) = (Ejection::default(), SystemClock.instant());
        let _ = (ejection.fail(&SPEC, now), ejection.fail(&SPEC, now), ejection.fail(&SPEC, now));
        let later = now + SECOND;
        assert!(ejection.admits(later));
        ejection.begin(&SPEC, later);
        assert!(!ejection.admits(later) && ejection.is_ejected());
        // The outcome of that request never becomes known.
        assert!(ejection.admits(later + SECOND));
    }

    #[test]
    fn requests_that_began_before_an_ejection_do_not_extend_it() {
        let (mut ejection, now) = (Ejection::default(), SystemClock.instant());
        let _ = (ejection.fail(&SPEC, now), ejection.fail(&SPEC, now), ejection.fail(&SPEC, now));
        for _ in 0..10 {
            assert_eq!(ejection.fail(&SPEC, now + SECOND / 2), None);
        }
        assert!(ejection.admits(now + SECOND));
    }
}
