//! The size of the file that is in use. Asking SQLite for it compiles a statement each time, so it is asked rarely.

use std::time::{Duration, Instant};

use rusqlite::Connection;

/// How often it is measured at least while the file is written.
const EVERY: Duration = Duration::from_millis(100);
/// The part of the room that is left which may be used before it is measured again.
const PART: u64 = 8;

/// What is known of the size.
#[derive(Debug)]
pub(crate) struct Size {
    used: u64,
    measured: Instant,
    /// About how many bytes were added since then, rather too many than too few.
    added: u64,
}

impl Size {
    pub(crate) fn measure(db: &Connection, now: Instant) -> rusqlite::Result<Self> {
        let pragma = |text: &str| db.query_row(text, [], |row| row.get::<_, u64>(0));
        let (pages, free) = (pragma("PRAGMA page_count")?, pragma("PRAGMA freelist_count")?);
        let used = pages.saturating_sub(free).saturating_mul(pragma("PRAGMA page_size")?);
        Ok(Self { used, measured: now, added: 0 })
    }

    /// Measures again if it may have changed much, or may have reached this limit.
    pub(crate) fn refresh(&mut self, db: &Connection, limit: u64, now: Instant) -> rusqlite::Result<()> {
        if self.is_old(limit, now) {
            *self = Self::measure(db, now)?;
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.added = self.added.saturating_add(bytes);
    }

    /// The size in bytes.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    fn is_old(&self, limit: u64, now: Instant) -> bool {
        now.saturating_duration_since(self.measured) >= EVERY
            || self.added.saturating_mul(PART) >= limit.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use countersign::clock::{Clock, SystemClock};

    use super::*;

    #[test]
    fn it_is_measured_again_after_a_while_and_before_the_limit() {
        let now = SystemClock.instant();
        let size = |used, added| Size { used, measured: now, added };
        assert!(!size(1000, 0).is_old(9000, now));
        assert!(size(1000, 0).is_old(9000, now + EVERY));
        assert!(!size(1000, 999).is_old(9000, now));
        assert!(size(1000, 1000).is_old(9000, now));
        assert!(size(9000, 0).is_old(9000, now));
    }
}
