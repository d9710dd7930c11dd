//! When a request to the API is repeated: a pure function of its result.

use std::time::Duration;

use http::StatusCode;

/// The most attempts of one request.
const ATTEMPTS: u32 = 4;
const FIRST: Duration = Duration::from_secs(1);
/// A longer `Retry-After` ends the run: it is repeated later as a whole.
const LONGEST: Duration = Duration::from_secs(60);

/// The pause before the next attempt, after the attempt with this number (from 1) ended with this status, or without a
/// response. `None` if there is no next one.
pub(crate) fn pause(attempt: u32, status: Option<StatusCode>, retry_after: Option<Duration>) -> Option<Duration> {
    let may_succeed = status.is_none_or(|status| status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error());
    let pause = retry_after.unwrap_or(FIRST * 2_u32.saturating_pow(attempt.saturating_sub(1)));
    (may_succeed && attempt < ATTEMPTS && pause <= LONGEST).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_succeed_later_is_repeated() {
        let secs = |attempt, status: u16, after: Option<u64>| {
            let status = StatusCode::from_u16(status).ok();
            pause(attempt, status, after.map(Duration::from_secs)).map(|pause| pause.as_secs())
        };
        assert_eq!([1, 2, 3, 4].map(|attempt| secs(attempt, 503, None)), [Some(1), Some(2), Some(4), None]);
        assert_eq!([Some(0), Some(7), Some(61)].map(|after| secs(1, 429, after)), [Some(0), Some(7), None]);
        assert_eq!([200, 302, 400, 401, 404].map(|status| secs(1, status, Some(1))), [None; 5]);
        assert_eq!(pause(1, None, None), Some(FIRST));
    }
}
