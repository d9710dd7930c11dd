//! Times in the forms that people write and read.

use std::time::{Duration, UNIX_EPOCH};

use countersign::UnixTime;

/// The last second of the year 9999: later ones have no RFC 3339 form.
const LAST_WRITTEN: u64 = 253_402_300_799;
/// Seconds from here on are thousands of years away: such a number is in milliseconds.
const SURELY_NOT_SECONDS: u64 = 100_000_000_000;
const DAY: u64 = 86_400;
const WEEK: u64 = 7 * DAY;

/// Parses Unix seconds or RFC 3339. The error says what to write.
pub fn parse(text: &str) -> Result<UnixTime, String> {
    if let Ok(secs) = text.parse::<u64>() {
        return if secs < SURELY_NOT_SECONDS {
            Ok(UnixTime::from_secs(secs))
        } else {
            Err("this is not in seconds since 1970: if it is in milliseconds, divide it by 1000".into())
        };
    }
    let time = humantime::parse_rfc3339_weak(text);
    time.map(UnixTime::from).map_err(|_| "write Unix seconds (1790661946) or RFC 3339 (2026-09-29T06:05:46Z)".into())
}

/// The seconds, and the name of the unit, of a number that is too large for seconds.
pub(crate) fn in_smaller_unit(number: u64) -> Option<(u64, &'static str)> {
    // From 2001 to 2100.
    const PLAUSIBLE: std::ops::Range<u64> = 1_000_000_000..4_200_000_000;
    let units = [(1000, "milliseconds"), (1_000_000, "microseconds"), (1_000_000_000, "nanoseconds")];
    let mut fitting = units.into_iter().map(|(unit, name)| (number / unit, name));
    fitting.find(|(secs, _)| number >= SURELY_NOT_SECONDS && PLAUSIBLE.contains(secs))
}

/// The time `secs` seconds after the epoch, as RFC 3339. `None` after the year 9999.
pub fn format(secs: u64) -> Option<String> {
    (secs <= LAST_WRITTEN)
        .then(|| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string())
}

/// How far `secs` lies from `now`: `3s before it arrived`.
pub(crate) fn distance(secs: u64, now: UnixTime) -> String {
    let now = now.as_secs();
    let apart = now.abs_diff(secs);
    // For weeks, seconds do not matter.
    let apart = if apart < WEEK { apart } else { apart - apart % DAY };
    let length = humantime::format_duration(Duration::from_secs(apart));
    match secs.cmp(&now) {
        std::cmp::Ordering::Equal => "as it arrived".into(),
        std::cmp::Ordering::Less => format!("{length} before it arrived"),
        std::cmp::Ordering::Greater => format!("{length} after it arrived"),
    }
}

/// Seconds, their RFC 3339 form and how far they lie from `now`, the time of arrival.
pub fn described(secs: u64, now: UnixTime) -> String {
    match format(secs) {
        Some(text) => format!("{secs} ({text}, {})", distance(secs, now)),
        None => format!("{secs} ({})", distance(secs, now)),
    }
}
