//! Time as a parameter. Only this file reads a clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    millis: u64,
}

impl UnixTime {
    /// The time `secs` seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// The time `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.millis / 1000
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// The time `duration` later, or the maximum on overflow.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self { millis: self.millis.saturating_add(saturating_millis(duration)) }
    }

    /// The time `duration` earlier, or the epoch on underflow.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self { millis: self.millis.saturating_sub(saturating_millis(duration)) }
    }
}

impl From<SystemTime> for UnixTime {
    /// A time before the epoch becomes the epoch.
    fn from(time: SystemTime) -> Self {
        Self { millis: saturating_millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()) }
    }
}

fn saturating_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A reading of a [`Clock`]: the time of day and a monotonic time.
///
/// Timestamps are checked against the time of day, which jumps when the clock is set. Leases and the retention of
/// message ids are measured with the monotonic time, which does not jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The time of day.
    pub wall: UnixTime,
    /// The monotonic time. Only readings of the same clock can be compared.
    pub monotonic: Instant,
}

impl ClockReading {
    /// The reading at a later `monotonic` time, if the clock is not set in between. An earlier time returns this
    /// reading.
    #[must_use]
    pub fn at(self, monotonic: Instant) -> Self {
        let passed = monotonic.saturating_duration_since(self.monotonic);
        Self { wall: self.wall.saturating_add(passed), monotonic: self.monotonic.max(monotonic) }
    }
}

/// A source of time.
///
/// If a sender can set this clock, the timestamp check has no effect.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It may jump, in either direction.
    fn now(&self) -> UnixTime;

    /// The monotonic time, which measures durations. It may stop while the machine is suspended.
    fn instant(&self) -> Instant;

    /// Both times.
    fn read(&self) -> ClockReading {
        ClockReading { wall: self.now(), monotonic: self.instant() }
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UnixTime {
        SystemTime::now().into()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A clock for tests. It stands still until it is changed.
///
/// [`advance`](Self::advance) moves both times forward. [`set`](Self::set) changes only the time of day, as an operator
/// or NTP does.
///
/// ```
/// use countersign::clock::{Clock, ManualClock};
/// use countersign::UnixTime;
/// use std::time::Duration;
///
/// let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
/// let before = clock.read();
/// clock.advance(Duration::from_secs(300));
/// assert_eq!(clock.now(), UnixTime::from_secs(1_700_000_300));
/// assert_eq!(clock.instant() - before.monotonic, Duration::from_secs(300));
///
/// clock.set(UnixTime::from_secs(1_600_000_000));
/// assert_eq!(clock.now(), UnixTime::from_secs(1_600_000_000));
/// assert_eq!(clock.instant() - before.monotonic, Duration::from_secs(300));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    wall_millis: AtomicU64,
    began: Instant,
    passed_millis: AtomicU64,
}

impl ManualClock {
    /// Creates a clock whose time of day is `now`.
    pub fn new(now: UnixTime) -> Self {
        Self { wall_millis: AtomicU64::new(now.millis), began: SystemClock.instant(), passed_millis: AtomicU64::new(0) }
    }

    /// Moves the time of day and the monotonic time forward, in whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let by = saturating_millis(by);
        for millis in [&self.wall_millis, &self.passed_millis] {
            let add = |millis: u64| Some(millis.saturating_add(by));
            let _ = millis.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        }
    }

    /// Sets the time of day, forward or back. The monotonic time does not change.
    pub fn set(&self, now: UnixTime) {
        self.wall_millis.store(now.millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_millis(self.wall_millis.load(Ordering::SeqCst))
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_millis(self.passed_millis.load(Ordering::SeqCst))
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> UnixTime {
        C::now(self)
    }

    fn instant(&self) -> Instant {
        C::instant(self)
    }

    fn read(&self) -> ClockReading {
        C::read(self)
    }
}
