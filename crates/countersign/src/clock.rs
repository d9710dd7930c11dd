//! Time, as a parameter: the one file that reads a clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    millis: u64,
}

impl UnixTime {
    /// The moment that lies `secs` seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// The moment that lies `millis` milliseconds after the epoch.
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

    /// The moment `duration` later, or the last one that can be said.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self { millis: self.millis.saturating_add(saturating_millis(duration)) }
    }

    /// The moment `duration` earlier, or the epoch.
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

/// One reading of a [`Clock`]: the time of day, and a time that only moves forward.
///
/// The time of day says whether a signature is recent, and it may jump when somebody sets the clock.
/// How long a lease or an id lasts is measured with the monotonic time, which does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The time of day.
    pub wall: UnixTime,
    /// The monotonic time. Only readings of the same clock can be compared.
    pub monotonic: Instant,
}

impl ClockReading {
    /// The reading of a clock that nobody has set since this one, at a later `monotonic` time. An
    /// earlier one gives this reading again.
    #[must_use]
    pub fn at(self, monotonic: Instant) -> Self {
        let passed = monotonic.saturating_duration_since(self.monotonic);
        Self { wall: self.wall.saturating_add(passed), monotonic: self.monotonic.max(monotonic) }
    }
}

/// Where a layer or a gateway gets its time from.
///
/// A clock that can be set by whoever sends the requests undoes the check of the timestamp.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It may jump, in either direction.
    fn now(&self) -> UnixTime;

    /// A time that only moves forward, to measure how long something took. It may stand still while
    /// the machine is suspended.
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

/// A clock for tests, which stands still until it is moved.
///
/// [`advance`](Self::advance) lets time pass. [`set`](Self::set) does what an operator or NTP does to a
/// machine: the time of day jumps, and no time passes.
///
/// ```
/// use countersign::{Clock, ManualClock, UnixTime};
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
    /// A clock that shows `now`.
    pub fn new(now: UnixTime) -> Self {
        Self { wall_millis: AtomicU64::new(now.millis), began: SystemClock.instant(), passed_millis: AtomicU64::new(0) }
    }

    /// Lets time pass, in whole milliseconds: both the time of day and the monotonic time move forward.
    pub fn advance(&self, by: Duration) {
        let by = saturating_millis(by);
        for millis in [&self.wall_millis, &self.passed_millis] {
            let add = |millis: u64| Some(millis.saturating_add(by));
            let _ = millis.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        }
    }

    /// Sets the time of day, forward or back. The monotonic time stays where it is.
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

impl<C: Clock> Clock for std::sync::Arc<C> {
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
