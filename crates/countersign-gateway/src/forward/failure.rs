//! Failures of backends, and the responses that senders get instead.

use bytes::Bytes;
use countersign_tower::{reject::problem, report::FailureCode};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

/// Why the sender does not get the backend's response. Its code is in the extensions of the response that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The backend could not be connected to, or closed the connection without a byte of a response.
    Unreachable,
    /// The maximum number of connections to upstreams is in use.
    Busy,
    /// As many requests of the route as `max_in_flight` allows are at its backends.
    OverCapacity,
    /// With the path of the upstream in front, the path of the request is too long.
    PathTooLong,
    /// The head of the response did not arrive in time.
    Timeout,
    /// The backend sent something that is not an HTTP/1 response, or only a part of one. It may have
    /// handled the delivery.
    Malformed,
    /// The backend's status must not reach a sender: 410 would disable the endpoint, 3xx is not followed.
    Status(StatusCode),
}

impl Failure {
    /// The stable name, in snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::Busy => "upstream_busy",
            Self::OverCapacity => "over_capacity",
            Self::PathTooLong => "path_too_long",
            Self::Timeout => "upstream_timeout",
            Self::Malformed => "upstream_malformed",
            Self::Status(_) => "upstream_status",
        }
    }

    /// The problem document for the sender.
    pub(super) fn to_response(self) -> Response<Bytes> {
        let (status, detail) = match self {
            Self::Unreachable => (
                StatusCode::BAD_GATEWAY,
                "the backend cannot be reached, or closed the connection without a response".to_owned(),
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests to backends are in progress: retry later".to_owned(),
            ),
            Self::OverCapacity => (
                StatusCode::SERVICE_UNAVAILABLE,
                "as many deliveries as the route allows are being handled: retry later".to_owned(),
            ),
            Self::PathTooLong => (StatusCode::URI_TOO_LONG, "the path is too long for the backend".to_owned()),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "the backend took too long to respond".to_owned()),
            Self::Malformed => {
                (StatusCode::BAD_GATEWAY, "the backend's response is not valid HTTP, or is incomplete".to_owned())
            }
            Self::Status(status) => {
                (StatusCode::BAD_GATEWAY, format!("the backend responded with {status}, which is not passed on"))
            }
        };
        let mut response = problem::response(status, self.code(), &detail);
        if matches!(self, Self::Busy | Self::OverCapacity) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response.extensions_mut().insert(FailureCode(self.code()));
        response
    }
}
