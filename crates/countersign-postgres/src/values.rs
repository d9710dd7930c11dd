//! Keys and durations, as the tables have them.

use std::borrow::Cow;
use std::time::Duration;

use countersign::replay::ReplayKey;

/// Source names have no spaces, so that no two keys have the same name.
pub(crate) fn name(key: &ReplayKey) -> String {
    format!("{} {}", key.source(), key.message_id())
}

/// At most a century, because the server cannot add all durations to its time.
pub(crate) fn millis(duration: Duration) -> i64 {
    const CENTURY: i64 = 100 * 365 * 24 * 60 * 60 * 1_000;
    i64::try_from(duration.as_millis()).unwrap_or(CENTURY).min(CENTURY)
}

/// The server stores no zero byte in a text.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "?")) } else { Cow::Borrowed(text) }
}
