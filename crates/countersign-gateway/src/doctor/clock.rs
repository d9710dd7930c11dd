//! Compares the clock with that of a server.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use countersign::clock::{Clock as _, SystemClock};
use countersign_client::Client;
use http::header::{AGE, DATE, USER_AGENT};
use http::{HeaderMap, Request};

use super::report::{Check, Finding};
use crate::state::Publisher;

/// How long the request may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The length of a response that is read before its head is used anyway, in bytes.
const MAX_BODY: usize = 1024;
/// A larger difference is a sign that nothing keeps the clock right.
const USUAL: u64 = 5;

/// Compares this machine's clock with the `Date` of a response. Requests are rejected as soon as the difference reaches
/// `tolerance`, and earlier if they are sent late.
pub(super) async fn check(server: &Publisher, tolerance: Duration) -> Finding {
    let url = server.url.to_string();
    let (host, _) = url.split_once('?').unwrap_or((&url, ""));
    let before = SystemClock.now().as_secs();
    let response = date(server, &url).await;
    let after = SystemClock.now().as_secs();
    match response {
        Ok(Some(date)) => judge(difference(before, date, after), tolerance, host),
        Ok(None) => Finding::warning(
            Check::Clock,
            format!("{host} does not send its time, so the clock was not checked: name another server with --clock"),
        ),
        Err(error) => Finding::warning(
            Check::Clock,
            format!("{host} cannot be asked for its time ({error}), so the clock was not checked: compare it yourself"),
        ),
    }
}

/// The time of the server, in seconds since 1970.
async fn date(server: &Publisher, url: &str) -> Result<Option<u64>, String> {
    let request = Request::get(url).header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")));
    let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
    let proxy = server.proxy.clone().filter(|_| url.starts_with("https://"));
    let client = Client::builder().timeout(LIMIT).connect_timeout(LIMIT).max_body(MAX_BODY).proxy(proxy);
    let client = match &server.ca {
        Some(ca) => client.ca(ca.clone()),
        None => client,
    };
    let response = client.build().send(request).await.map_err(|error| error.to_string())?;
    Ok(time_of(response.headers()))
}

/// The time at which the response was sent. A cache passes on the `Date` of the stored response, with its `Age`.
fn time_of(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse::<u64>().ok()).unwrap_or(0);
    date.duration_since(UNIX_EPOCH).ok()?.as_secs().checked_add(age)
}

/// How far this clock is from the other, in seconds: ahead if it is positive. The response was sent at some time between
/// `before` and `after`, and dates have whole seconds.
fn difference(before: u64, date: u64, after: u64) -> i64 {
    if date < before.saturating_sub(1) {
        before.saturating_sub(1).abs_diff(date).try_into().unwrap_or(i64::MAX)
    } else if date > after.saturating_add(1) {
        after.saturating_add(1).abs_diff(date).try_into().map_or(i64::MIN, |behind: i64| -behind)
    } else {
        0
    }
}

fn judge(difference: i64, tolerance: Duration, host: &str) -> Finding {
    let size = difference.unsigned_abs();
    let direction = if difference < 0 { "behind" } else { "ahead of" };
    let found = format!("the clock of this machine is {size} s {direction} that of {host}");
    if size >= tolerance.as_secs() {
        let all = "so that every request is rejected as timestamp_too_old or timestamp_too_new";
        Finding::failed(Check::Clock, format!("{found}, {all}: set the clock, and keep it right with NTP"))
    } else if size > USUAL {
        let some = format!("and senders have that much less of the tolerance of {} s", tolerance.as_secs());
        Finding::warning(Check::Clock, format!("{found}, {some}: set the clock, and keep it right with NTP"))
    } else {
        Finding::ok(Check::Clock, format!("the clock agrees with that of {host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn the_difference_is_what_the_time_of_the_request_does_not_explain() {
        for (before, date, after, expected) in [
            (1000, 1000, 1000, 0),
            (1000, 999, 1000, 0),
            (1000, 1003, 1002, 0),
            (1000, 990, 1004, 9),
            (1000, 1100, 1004, -95),
            (1000, u64::MAX, 1004, i64::MIN),
        ] {
            assert_eq!(difference(before, date, after), expected, "{before} {date} {after}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_by_the_tolerance_fails() {
        let status = |seconds| judge(seconds, Duration::from_mins(5), "a").status();
        assert_eq!([0, 5, -5].map(status), [Status::Ok; 3]);
        assert_eq!([6, -6, 299, -299].map(status), [Status::Warning; 4]);
        assert_eq!([300, -300, i64::MIN].map(status), [Status::Failed; 3]);
        assert!(judge(-40, Duration::from_mins(5), "a").message().contains("40 s behind that of a"));
    }

    #[test]
    fn a_cached_response_is_as_old_as_it_says() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(time_of(&headers(&[date])), Some(784_111_777));
        assert_eq!(time_of(&headers(&[date, ("age", "60")])), Some(784_111_837));
        assert_eq!(time_of(&headers(&[("date", "now")])), None);
        assert_eq!(time_of(&headers(&[])), None);
    }
}
