//! Decides whether the status of a backend's response reaches the sender.

use std::error::Error;
use std::fmt;

use http::StatusCode;

use super::failure::Failure;

/// Returns why a response with this status cannot be passed on, if it cannot.
pub(super) fn check(status: StatusCode) -> Result<(), Unusable> {
    match status {
        StatusCode::GONE => Err(Unusable::Withheld(status)),
        _ if status.is_redirection() => Err(Unusable::Withheld(status)),
        _ if !(200..600).contains(&status.as_u16()) => Err(Unusable::Status(status)),
        _ => Ok(()),
    }
}

/// Why a response cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// A sender would disable the endpoint (410) or follow a redirect (3xx).
    Withheld(StatusCode),
    /// The status is invalid: 101, which the gateway does not request, or above 599.
    Status(StatusCode),
}

impl Unusable {
    pub(super) const fn failure(self) -> Failure {
        match self {
            Self::Withheld(status) => Failure::Status(status),
            Self::Status(_) => Failure::Malformed,
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withheld(status) => write!(f, "the upstream's status {} is not passed on", status.as_u16()),
            Self::Status(status) => write!(f, "the upstream's status {} is not a final HTTP status", status.as_u16()),
        }
    }
}

impl Error for Unusable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_a_sender_must_not_see_is_a_failure() {
        let check = |status| check(StatusCode::from_u16(status).unwrap());
        for (status, failure) in [
            (410, "upstream_status"),
            (301, "upstream_status"),
            (304, "upstream_status"),
            (101, "upstream_malformed"),
            (199, "upstream_malformed"),
            (600, "upstream_malformed"),
            (999, "upstream_malformed"),
        ] {
            assert_eq!(check(status).expect_err("a failure").failure().code(), failure, "{status}");
        }
        for status in [200, 204, 299, 400, 499, 500, 599] {
            assert_eq!(check(status), Ok(()), "{status}");
        }
    }
}
