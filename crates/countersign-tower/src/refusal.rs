use std::fmt;
use std::time::Duration;

use countersign::replay::StoreError;
use countersign::{Reason, Rejection};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::body::ResponseBody;
use crate::problem;

/// When a sender that has to come back should, in seconds.
const RETRY_AFTER_SECS: u32 = 5;

/// Why a delivery was not handed to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It could not be verified.
    Unverified(Rejection),
    /// Its body is larger than the limit.
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Its body took too long to arrive.
    BodyTimeout {
        /// The time that it had.
        after: Duration,
    },
    /// Its body broke off, or was not framed as HTTP asks for.
    BodyUnreadable,
    /// It is being handled right now.
    InFlight,
    /// The source's public keys are out of reach, so nobody knows whether it is genuine.
    KeysUnavailable,
    /// The replay store gave no answer, so nobody knows whether it is new.
    StoreUnavailable(StoreError),
}

impl Refusal {
    /// The stable name of the reason, in snake case: the `code` of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unverified(rejection) => rejection.reason().as_str(),
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::BodyUnreadable => "body_unreadable",
            Self::InFlight => "in_flight",
            Self::KeysUnavailable => "keys_unavailable",
            Self::StoreUnavailable(_) => "store_unavailable",
        }
    }

    /// The status that it is answered with. Never 410 or 3xx: senders take these for more than they say.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Unverified(rejection) => match rejection.reason() {
                Reason::MissingHeader
                | Reason::DuplicateHeader
                | Reason::MalformedId
                | Reason::MalformedTimestamp
                | Reason::MalformedSignature
                | Reason::TokenMalformed => StatusCode::BAD_REQUEST,
                _ => StatusCode::UNAUTHORIZED,
            },
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::BodyUnreadable => StatusCode::BAD_REQUEST,
            Self::InFlight => StatusCode::CONFLICT,
            Self::KeysUnavailable | Self::StoreUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The answer: a problem document (RFC 9457), and the headers that its status asks for.
    pub(crate) fn to_response<B>(self) -> Response<ResponseBody<B>> {
        let status = self.status();
        let mut response = problem::response(status, self.code(), &self.to_string()).map(ResponseBody::own);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Webhook-Signature"));
        }
        if matches!(status, StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified(rejection) => rejection.fmt(f),
            Self::BodyTooLarge { limit } => write!(f, "the body is larger than {limit} bytes"),
            Self::BodyTimeout { after } => write!(f, "the body did not arrive within {after:?}"),
            Self::BodyUnreadable => f.write_str("the body broke off before its end"),
            Self::InFlight => f.write_str("this delivery is being handled right now: come back later"),
            Self::KeysUnavailable => {
                f.write_str("the keys of this source cannot be reached right now: come back later")
            }
            Self::StoreUnavailable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Unverified(rejection)
    }
}
