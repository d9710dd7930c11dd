//! When each request of a run is due: a pure function of its number.

use std::time::Duration;

/// How fast requests start, and when the run ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Requests per second; `None` for as fast as they are answered.
    pub(crate) rate: Option<f64>,
    /// No request starts later than this.
    pub(crate) duration: Option<Duration>,
    /// The number of requests.
    pub(crate) requests: Option<u64>,
}

impl Pace {
    /// When the request with this number, counted from 0, is due, counted from the start of the run. `None` if the run
    /// has ended by then. Without a rate, a request is due at once.
    pub(crate) fn due(&self, number: u64, elapsed: Duration) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "a run has fewer than 2^52 requests")]
        let scheduled =
            self.rate.map(|rate| Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX));
        let due = scheduled.unwrap_or(elapsed);
        let is_over = self.requests.is_some_and(|requests| number >= requests)
            || self.duration.is_some_and(|duration| due >= duration);
        (!is_over).then_some(due)
    }

    /// How much of the run is over, in percent.
    pub(crate) fn percent(&self, done: u64, elapsed: Duration) -> usize {
        let of = |part: u128, whole: u128| part.saturating_mul(100).checked_div(whole).unwrap_or(100).min(100);
        let by_number = self.requests.map(|requests| of(done.into(), requests.into()));
        let by_time = self.duration.map(|duration| of(elapsed.as_millis(), duration.as_millis()));
        by_number.max(by_time).and_then(|percent| usize::try_from(percent).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_fixes_the_time_of_every_request_whatever_the_others_took() {
        let pace = Pace { rate: Some(4.0), duration: Some(Duration::from_secs(1)), requests: None };
        let due: Vec<_> = (0..5).map(|number| pace.due(number, Duration::from_secs(9))).collect();
        let at = |millis| Some(Duration::from_millis(millis));
        assert_eq!(due, [at(0), at(250), at(500), at(750), None]);
        let slow = Pace { rate: Some(1e-300), duration: None, requests: None };
        assert_eq!(slow.due(u64::MAX, Duration::ZERO), Some(Duration::MAX));
    }

    #[test]
    fn without_a_rate_the_run_ends_by_number_or_by_time() {
        let pace = Pace { rate: None, duration: Some(Duration::from_secs(1)), requests: Some(2) };
        assert_eq!(pace.due(1, Duration::from_millis(999)), Some(Duration::from_millis(999)));
        assert_eq!(pace.due(2, Duration::ZERO), None);
        assert_eq!(pace.due(0, Duration::from_secs(1)), None);
        assert_eq!(pace.percent(1, Duration::from_millis(100)), 50);
        assert_eq!(pace.percent(0, Duration::from_secs(9)), 100);
    }
}
