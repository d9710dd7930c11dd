//! What follows from an attempt: a pure function of its result.

use std::time::{Duration, SystemTime};

use countersign::UnixTime;
use countersign_inbox::Schedule;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::forward::Failure;

/// The result of an attempt.
#[derive(Debug)]
pub(super) enum Sent {
    /// The backend has responded.
    Response(StatusCode, Option<Duration>),
    /// There is no response that counts.
    Failed(Failure),
    /// The attempt took too long.
    TooLong,
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    Retry { delay: Duration, error: String },
    Dead { error: String },
}

impl Verdict {
    /// The verdict about the attempt with this number, `elapsed` after the delivery was due for the first time. `chance` is a
    /// random number between 0 and 1.
    pub(super) fn of(sent: &Sent, attempt: u32, elapsed: Duration, schedule: &Schedule, chance: f64) -> Self {
        let (error, retry_after) = match sent {
            Sent::Response(status, _) if status.is_success() => return Self::Done,
            Sent::Response(status, retry_after) => (format!("status {}", status.as_u16()), *retry_after),
            Sent::Failed(Failure::Status(status)) => (format!("status {}", status.as_u16()), None),
            Sent::Failed(failure) => (failure.code().to_owned(), None),
            Sent::TooLong => (Failure::Timeout.code().to_owned(), None),
        };
        if matches!(sent, Sent::Failed(Failure::PathTooLong)) {
            return Self::Dead { error };
        }
        match schedule.next(attempt, elapsed, retry_after, chance) {
            Some(next) => Self::Retry { delay: next.saturating_sub(elapsed), error },
            None => Self::Dead { error },
        }
    }

    /// The name in metrics.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry { .. } => "retry",
            Self::Dead { .. } => "dead",
        }
    }
}

/// The time from `now` that `Retry-After` asks for, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = UnixTime::from(SystemTime::from(text.parse::<httpdate::HttpDate>().ok()?));
    Some(Duration::from_millis(date.as_millis().saturating_sub(now.as_millis())))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn verdict(sent: &Sent, elapsed: Duration) -> Verdict {
        Verdict::of(sent, 1, elapsed, &Schedule::default(), 0.5)
    }

    #[test]
    fn a_success_is_done_and_anything_else_is_retried_until_the_time_is_over() {
        assert_eq!(verdict(&Sent::Response(StatusCode::NO_CONTENT, None), 30 * HOUR), Verdict::Done);
        let retry = |error: &str, secs| Verdict::Retry { delay: Duration::from_secs(secs), error: error.to_owned() };
        let later = Some(Duration::from_mins(1));
        for (sent, expected) in [
            (Sent::Response(StatusCode::BAD_REQUEST, None), retry("status 400", 10)),
            (Sent::Response(StatusCode::SERVICE_UNAVAILABLE, later), retry("status 503", 60)),
            (Sent::Failed(Failure::Status(StatusCode::GONE)), retry("status 410", 10)),
            (Sent::Failed(Failure::Unreachable), retry("upstream_unreachable", 10)),
            (Sent::TooLong, retry("upstream_timeout", 10)),
        ] {
            assert_eq!(verdict(&sent, HOUR), expected);
            assert!(matches!(verdict(&sent, 24 * HOUR), Verdict::Dead { .. }));
        }
        let too_long = verdict(&Sent::Failed(Failure::PathTooLong), Duration::ZERO);
        assert_eq!(too_long, Verdict::Dead { error: "path_too_long".to_owned() });
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let now = UnixTime::from_secs(784_111_777);
        for (text, expected) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
