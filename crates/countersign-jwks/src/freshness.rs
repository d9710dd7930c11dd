//! How long a response may be cached (RFC 9111, as far as it concerns a private cache).
//!
//! There are libraries for shared HTTP caches, but this needs only three directives.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};

/// The remaining lifetime, or `None` if the headers do not contain it.
pub(crate) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    // If there are several, the shortest applies.
    let lifetime = values.flat_map(|value| value.split(',')).filter_map(directive).min()?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()).map_or(Duration::ZERO, seconds);
    Some(lifetime.saturating_sub(age))
}

fn directive(text: &str) -> Option<Duration> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match name.trim().to_ascii_lowercase().as_str() {
        "no-store" | "no-cache" => Some(Duration::ZERO),
        "max-age" => Some(seconds(value.trim().trim_matches('"'))),
        _ => None,
    }
}

/// A number that is too large to parse is `u64::MAX`. Text that is not a number is 0.
fn seconds(text: &str) -> Duration {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    text.parse().map_or(Duration::MAX, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        max_age(&map).map(|age| age.as_secs())
    }

    #[test]
    fn reads_cache_control() {
        let cases = [
            ("public, max-age=19800, must-revalidate, no-transform", Some(19800)),
            ("Max-Age=\"60\"", Some(60)),
            ("max-age=60, max-age=30", Some(30)),
            ("no-store", Some(0)),
            ("no-cache, max-age=60", Some(0)),
            ("max-age=soon", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age", Some(0)),
            ("max-age=99999999999999999999999", Some(u64::MAX)),
            ("public", None),
            ("s-maxage=60", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(of(&[("cache-control", value)]), expected, "{value}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn counts_the_time_that_it_spent_in_a_cache() {
        assert_eq!(of(&[("cache-control", "max-age=100"), ("age", "30")]), Some(70));
        assert_eq!(of(&[("cache-control", "max-age=100"), ("age", "130")]), Some(0));
        assert_eq!(of(&[("cache-control", "max-age=100"), ("age", "old")]), Some(100));
        assert_eq!(of(&[("cache-control", "public"), ("cache-control", "max-age=5")]), Some(5));
        assert_eq!(of(&[("age", "30")]), None);
    }
}
