//! Emulated time: the machine's, optionally faster, optionally advanced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::UnixTime;
use countersign::clock::Clock;

/// The clock of jobs, schedules and secrets.
///
/// It starts at the machine's time, runs `scale` times as fast, and can be moved forward. Signed timestamps use the
/// machine's time instead, because receivers compare them with their own clocks.
#[derive(Debug)]
pub(crate) struct EmulatedClock<C> {
    machine: C,
    began: (UnixTime, Instant),
    scale: f64,
    advanced_millis: AtomicU64,
}

impl<C: Clock> EmulatedClock<C> {
    pub(crate) fn new(machine: C, scale: f64) -> Self {
        let began = (machine.now(), machine.instant());
        Self { machine, began, scale, advanced_millis: AtomicU64::new(0) }
    }

    /// The emulated time.
    pub(crate) fn now(&self) -> UnixTime {
        let (then, instant) = self.began;
        let passed = self.machine.instant().saturating_duration_since(instant);
        let advanced = Duration::from_millis(self.advanced_millis.load(Ordering::SeqCst));
        then.saturating_add(scaled(passed, self.scale)).saturating_add(advanced)
    }

    /// The machine's time.
    pub(crate) fn machine_now(&self) -> UnixTime {
        self.machine.now()
    }

    /// The machine's monotonic time.
    pub(crate) fn instant(&self) -> Instant {
        self.machine.instant()
    }

    /// How long to wait, by the machine's clock, until the emulated time is `at`.
    pub(crate) fn until(&self, at: UnixTime) -> Duration {
        let left = Duration::from_millis(at.as_millis().saturating_sub(self.now().as_millis()));
        scaled(left, self.scale.recip())
    }

    /// Emulated seconds per second of the machine's clock.
    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    /// Moves the emulated time forward.
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        // Saturates at the end of time.
        let add = |advanced: u64| Some(advanced.saturating_add(by));
        let _ = self.advanced_millis.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
}

fn scaled(duration: Duration, scale: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * scale).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign::clock::ManualClock;

    use super::*;

    #[test]
    fn a_day_passes_in_24_seconds_and_waits_are_as_much_shorter() {
        let machine = Arc::new(ManualClock::new(UnixTime::from_secs(1_000_000)));
        let clock = EmulatedClock::new(Arc::clone(&machine), 3600.0);
        machine.advance(Duration::from_secs(24));
        assert_eq!(clock.now(), UnixTime::from_secs(1_000_000 + 86_400));
        assert_eq!(clock.machine_now(), UnixTime::from_secs(1_000_024));
        assert_eq!(clock.until(clock.now().saturating_add(Duration::from_hours(1))), Duration::from_secs(1));
        assert_eq!(clock.until(UnixTime::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn it_can_be_moved_forward_and_no_further_than_to_the_end_of_time() {
        let clock = EmulatedClock::new(ManualClock::new(UnixTime::from_secs(5)), 1.0);
        clock.advance(Duration::from_hours(3));
        assert_eq!(clock.now(), UnixTime::from_secs(5 + 3 * 3600));
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), UnixTime::from_millis(u64::MAX));
    }
}
