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

/// Where a layer or a gateway gets its time from.
///
/// A clock that can be set by whoever sends the requests undoes the check of the timestamp.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It may jump, in either direction.
    fn now(&self) -> UnixTime;

    /// A time that only goes forward, to measure how long something took.
    fn instant(&self) -> Instant;
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

/// A clock for tests, which stands still until it is told otherwise.
///
/// ```
/// use countersign::{Clock, ManualClock, UnixTime};
/// use std::time::Duration;
///
/// let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(300));
/// assert_eq!(clock.now(), UnixTime::from_secs(1_700_000_300));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicU64,
    epoch: (UnixTime, Instant),
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: UnixTime) -> Self {
        Self { millis: AtomicU64::new(now.millis), epoch: (now, SystemClock.instant()) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: UnixTime) {
        self.millis.store(now.millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn instant(&self) -> Instant {
        let (then, instant) = self.epoch;
        instant + Duration::from_millis(self.now().millis.saturating_sub(then.millis))
    }
}

impl<C: Clock> Clock for std::sync::Arc<C> {
    fn now(&self) -> UnixTime {
        C::now(self)
    }

    fn instant(&self) -> Instant {
        C::instant(self)
    }
}
