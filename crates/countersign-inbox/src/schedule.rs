//! When a failed delivery is retried: a pure function of the number of attempts and a random number.

use std::fmt;
use std::time::Duration;

/// Exponential backoff with jitter, within a time window.
///
/// ```
/// use countersign_inbox::Schedule;
/// use std::time::Duration;
///
/// let schedule = Schedule::default();
/// assert_eq!(schedule.delay(1, 0.5), Duration::from_secs(10)); // after the first attempt
/// assert_eq!(schedule.delay(5, 0.5), Duration::from_secs(160));
/// assert_eq!(schedule.plan(0.5).len(), 14);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The delay after the first attempt.
    pub first: Duration,
    /// The factor by which each delay is longer than the one before.
    pub factor: f64,
    /// The longest delay, before its random change. A receiver's `Retry-After` may be longer.
    pub longest: Duration,
    /// The largest random change of a delay, as a fraction of it: 0.2 is 20 percent, up or down.
    pub jitter: f64,
    /// How long after its event a delivery is attempted.
    pub window: Duration,
    /// The delay after each attempt but the last, in place of `first`, `factor` and `longest`. Default: none, so that
    /// they apply.
    pub fixed: &'static [Duration],
}

impl Default for Schedule {
    /// 10 s, doubled after each attempt, with 20 percent of jitter, for 24 h: 13 or 14 attempts.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            factor: 2.0,
            longest: Duration::MAX,
            jitter: 0.2,
            window: Duration::from_secs(86_400),
            fixed: &[],
        }
    }
}

impl Schedule {
    /// These delays between the attempts, without jitter.
    ///
    /// ```
    /// use countersign_inbox::Schedule;
    /// use std::time::Duration;
    ///
    /// const DELAYS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(300)];
    /// assert_eq!(Schedule::fixed(&DELAYS).plan(0.5).len(), 3);
    /// ```
    pub fn fixed(delays: &'static [Duration]) -> Self {
        Self { fixed: delays, jitter: 0.0, window: Duration::MAX, ..Self::default() }
    }

    /// The delay after this many attempts. `chance` is between 0 and 1; 0.5 means no jitter.
    pub fn delay(&self, attempts: u32, chance: f64) -> Duration {
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let jitter = 1.0 + self.jitter * chance.clamp(0.0, 1.0).mul_add(2.0, -1.0);
        let growing = || (self.first.as_secs_f64() * self.factor.powi(exponent)).min(self.longest.as_secs_f64());
        let fixed = usize::try_from(attempts.saturating_sub(1)).ok().and_then(|index| self.fixed.get(index));
        let seconds = fixed.map_or_else(growing, Duration::as_secs_f64) * jitter;
        // To the millisecond, like all times that are stored.
        let delay = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }

    /// The time of the next attempt, counted from the event, if the `attempts`-th attempt was made `elapsed`
    /// after the event. A longer `Retry-After` of the receiver is honoured. `None` if the next attempt would
    /// be outside the window, or there is no fixed delay for it.
    pub fn next(
        &self,
        attempts: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        chance: f64,
    ) -> Option<Duration> {
        let has_ended = usize::try_from(attempts).is_ok_and(|attempts| attempts > self.fixed.len());
        if !self.fixed.is_empty() && has_ended {
            return None;
        }
        let delay = self.delay(attempts, chance).max(retry_after.unwrap_or_default());
        elapsed.checked_add(delay).filter(|next| *next <= self.window)
    }

    /// The times of all attempts of a delivery that never succeeds, counted from the event.
    pub fn plan(&self, chance: f64) -> Vec<Duration> {
        let mut attempts = 0;
        let next = |elapsed: &Duration| {
            attempts += 1;
            self.next(attempts, *elapsed, None, chance)
        };
        std::iter::successors(Some(Duration::ZERO), next).collect()
    }
}

/// A table of the attempts, with the earliest and latest times that jitter allows.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (early, plan, late) = (self.plan(0.0), self.plan(0.5), self.plan(1.0));
        writeln!(f, "{:>7}  {:>14}  {:>14}  {:>14}", "attempt", "after", "earliest", "latest")?;
        for (index, soonest) in early.iter().enumerate() {
            let shown = |plan: &[Duration]| plan.get(index).map_or_else(|| "-".into(), |after| format(*after));
            writeln!(f, "{:>7}  {:>14}  {:>14}  {:>14}", index + 1, shown(&plan), format(*soonest), shown(&late))?;
        }
        if !self.fixed.is_empty() {
            return write!(f, "then the delivery is given up");
        }
        write!(
            f,
            "then the delivery is given up: the next attempt would be more than {} after the event",
            format(self.window)
        )
    }
}

fn format(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        first: Duration::from_secs(10),
        factor: 2.0,
        longest: Duration::MAX,
        jitter: 0.2,
        window: Duration::from_secs(86_400),
        fixed: &[],
    };

    #[test]
    fn each_delay_is_twice_the_one_before_within_its_jitter() {
        for attempts in 1..14 {
            let plain = Duration::from_secs(10 << (attempts - 1));
            assert_eq!(SCHEDULE.delay(attempts, 0.5), plain);
            assert_eq!(SCHEDULE.delay(attempts, 0.0), plain * 4 / 5);
            assert_eq!(SCHEDULE.delay(attempts, 1.0), plain * 6 / 5);
            assert_eq!(SCHEDULE.delay(attempts, 7.0), plain * 6 / 5);
        }
    }

    #[test]
    fn the_attempts_end_within_the_window_and_not_before_the_next_would_leave_it() {
        for chance in [0.0, 0.3, 0.5, 0.9, 1.0] {
            let plan = SCHEDULE.plan(chance);
            let last = *plan.last().expect("an attempt at least");
            assert!(last <= SCHEDULE.window);
            let attempts = u32::try_from(plan.len()).expect("few");
            assert!(last + SCHEDULE.delay(attempts, chance) > SCHEDULE.window);
            assert!(plan.is_sorted());
        }
        assert_eq!(SCHEDULE.plan(0.5).len(), 14);
    }

    #[test]
    fn a_receiver_that_asks_for_patience_gets_it_within_the_window() {
        let next = |retry_after| SCHEDULE.next(1, Duration::from_secs(3600), Some(retry_after), 0.5);
        assert_eq!(next(Duration::from_secs(3)), Some(Duration::from_secs(3610)));
        assert_eq!(next(Duration::from_secs(2 * 3600)), Some(Duration::from_secs(3 * 3600)));
        assert_eq!(next(Duration::from_secs(23 * 3600)), Some(Duration::from_secs(24 * 3600)));
        assert_eq!(next(Duration::from_secs(24 * 3600)), None);
        assert_eq!(next(Duration::MAX), None);
    }

    #[test]
    fn a_delay_is_at_most_the_longest() {
        let schedule = Schedule { longest: Duration::from_secs(60), ..SCHEDULE };
        assert_eq!(schedule.delay(3, 0.5), Duration::from_secs(40));
        assert_eq!(schedule.delay(4, 0.5), Duration::from_secs(60));
        assert_eq!(schedule.delay(u32::MAX, 0.5), Duration::from_secs(60));
    }

    #[test]
    fn fixed_delays_are_kept_and_end() {
        const DELAYS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(300), Duration::from_secs(300)];
        let schedule = Schedule::fixed(&DELAYS);
        for chance in [0.0, 0.5, 1.0] {
            assert_eq!(schedule.plan(chance), [0, 5, 305, 605].map(Duration::from_secs));
        }
        let patient = schedule.next(2, Duration::from_secs(5), Some(Duration::from_secs(900)), 0.5);
        assert_eq!(patient, Some(Duration::from_secs(905)));
        assert_eq!(schedule.next(4, Duration::from_secs(605), Some(Duration::from_secs(1)), 0.5), None);
        let shown = schedule.to_string();
        assert!(shown.lines().count() == 6 && shown.ends_with("given up"), "{shown}");
    }

    #[test]
    fn no_number_of_attempts_overflows() {
        assert_eq!(SCHEDULE.delay(u32::MAX, 1.0), Duration::from_millis(u64::MAX));
        assert_eq!(SCHEDULE.next(u32::MAX, Duration::MAX, None, 1.0), None);
    }
}
