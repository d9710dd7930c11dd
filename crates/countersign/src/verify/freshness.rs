use crate::clock::UnixTime;
use crate::rejection::{Reason, Rejection};

/// Checks that the timestamp is within the tolerance, in both directions.
pub(super) fn check_freshness(timestamp: u64, now: UnixTime, tolerance: u64) -> Result<(), Rejection> {
    let now = now.as_secs();
    let off = now.abs_diff(timestamp);
    if off <= tolerance {
        Ok(())
    } else if timestamp < now {
        Err(Rejection::off_by(Reason::TimestampTooOld, off, tolerance))
    } else {
        Err(Rejection::off_by(Reason::TimestampTooNew, off, tolerance))
    }
}
