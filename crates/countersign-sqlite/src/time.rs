//! Times and durations as they are stored: in milliseconds.

use std::time::Duration;

/// The largest stored number: some 140,000 years. Sums of it fit into SQLite's integers.
const MAX_MILLIS: u64 = 1 << 52;

/// A duration as it is stored.
pub(crate) fn millis(duration: Duration) -> u64 {
    clamped(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// At most the largest stored number.
pub(crate) fn clamped(millis: u64) -> u64 {
    millis.min(MAX_MILLIS)
}
