//! Times in the API's text form.

use std::time::{Duration, UNIX_EPOCH};

use countersign::UnixTime;

/// The last second of the year 9999. Later times have no RFC 3339 form, and are written as this one.
const LAST_WRITTEN_MILLIS: u64 = 253_402_300_799_000;

/// RFC 3339, to the second.
pub(crate) fn to_the_second(time: UnixTime) -> String {
    humantime::format_rfc3339_seconds(system_time(time)).to_string()
}

/// RFC 3339, to the millisecond.
pub(crate) fn to_the_millisecond(time: UnixTime) -> String {
    humantime::format_rfc3339_millis(system_time(time)).to_string()
}

fn system_time(time: UnixTime) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_millis(time.as_millis().min(LAST_WRITTEN_MILLIS))
}
