//! Times and durations on the command line.

use std::time::Duration;

pub(crate) use countersign_explain::time::{described, format, parse};

/// Parses a duration such as `5m`, for the command line.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write a number and a unit, for example 300s, 5m or 1h".into())
}
