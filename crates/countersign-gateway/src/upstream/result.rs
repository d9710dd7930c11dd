//! What became of a request to an upstream.

use http::StatusCode;

/// What became of a request to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamResult {
    /// The head of a response arrived, with this status.
    Response(StatusCode),
    /// The connection failed, and nothing was sent.
    ConnectFailed,
    /// No response head arrived in time.
    Timeout,
    /// The connection was closed or broke before a byte of a response.
    Closed,
    /// The response is not valid HTTP.
    Malformed,
}

/// What a result says about the health of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It works.
    Good,
    /// It does not respond.
    Bad,
    /// It responds, but not with valid HTTP.
    Unclear,
}

impl UpstreamResult {
    /// The names of all results in metrics.
    pub(super) const NAMES: [&'static str; 8] =
        ["2xx", "3xx", "4xx", "5xx", "connect_failed", "timeout", "closed", "malformed"];

    /// The position of its name.
    pub(super) fn position(self) -> usize {
        match self {
            Self::Response(status) => match status.as_u16() {
                200..300 => 0,
                300..400 => 1,
                400..500 => 2,
                500..600 => 3,
                _ => Self::Malformed.position(),
            },
            Self::ConnectFailed => 4,
            Self::Timeout => 5,
            Self::Closed => 6,
            Self::Malformed => 7,
        }
    }

    /// What it says about the upstream. Any response is a good sign, because its status may be due to the message.
    pub(super) const fn sign(self) -> Sign {
        match self {
            Self::Response(_) => Sign::Good,
            Self::ConnectFailed | Self::Timeout | Self::Closed => Sign::Bad,
            Self::Malformed => Sign::Unclear,
        }
    }

    /// Whether the same message should rather go to another upstream when its sender retries.
    pub(super) fn is_failure_of_message(self) -> bool {
        match self {
            Self::Response(status) => status.is_server_error(),
            Self::ConnectFailed | Self::Timeout | Self::Closed | Self::Malformed => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_of_any_status_is_a_good_sign() {
        for (result, name, sign, is_failure_of_message) in [
            (UpstreamResult::Response(StatusCode::OK), "2xx", Sign::Good, false),
            (UpstreamResult::Response(StatusCode::FOUND), "3xx", Sign::Good, false),
            (UpstreamResult::Response(StatusCode::NOT_FOUND), "4xx", Sign::Good, false),
            (UpstreamResult::Response(StatusCode::INTERNAL_SERVER_ERROR), "5xx", Sign::Good, true),
            (UpstreamResult::Response(StatusCode::SWITCHING_PROTOCOLS), "malformed", Sign::Good, false),
            (UpstreamResult::ConnectFailed, "connect_failed", Sign::Bad, true),
            (UpstreamResult::Timeout, "timeout", Sign::Bad, true),
            (UpstreamResult::Closed, "closed", Sign::Bad, true),
            (UpstreamResult::Malformed, "malformed", Sign::Unclear, true),
        ] {
            assert_eq!(UpstreamResult::NAMES.get(result.position()), Some(&name), "{result:?}");
            assert_eq!((result.sign(), result.is_failure_of_message()), (sign, is_failure_of_message), "{result:?}");
        }
    }
}
