use std::fmt;
use std::time::Duration;

use countersign::replay::{StoreError, StoreErrorKind};
use countersign::{Reason, Verifier};
use http::StatusCode;

use crate::grpc::code;

/// The delay before a retry, in `Retry-After`.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a request was rejected. The statuses are those of RFC 9110. A response with 401 has
/// `WWW-Authenticate: Webhook-Signature`.
///
/// | rejection | status | gRPC |
/// | --- | --- | --- |
/// | `Unverified`: `missing_header`, `duplicate_header`, `malformed_id`, `malformed_timestamp`, `malformed_signature`, `token_malformed` | 400 | `INVALID_ARGUMENT` |
/// | `Unverified`: `body_too_large` ([`Attempt::body_limit`]) | 413 | `RESOURCE_EXHAUSTED` |
/// | `Unverified`: all other [reasons](countersign::Reason) | 401 | `UNAUTHENTICATED` |
/// | `UnknownSource` | 404 | `NOT_FOUND` |
/// | `BodyTooLarge` | 413 | `RESOURCE_EXHAUSTED` |
/// | `BodyTimeout` | 408 | `DEADLINE_EXCEEDED` |
/// | `BodyUnreadable` | 400 | `INVALID_ARGUMENT` |
/// | `OverBudget` | 503, `Retry-After` | `RESOURCE_EXHAUSTED`, with pushback |
/// | `GrpcStream` | 200, in gRPC only | `UNIMPLEMENTED` |
/// | `NoType` | 422 | `INVALID_ARGUMENT` |
/// | `InFlight` | 409, `Retry-After` | `ABORTED`, with pushback |
/// | `StoreFull` | 503, `Retry-After` | `RESOURCE_EXHAUSTED`, with pushback |
/// | `KeysUnavailable`, `StoreUnavailable`, `RetainTooShort` | 503, `Retry-After` | `UNAVAILABLE`, with pushback |
///
/// Pushback is the metadata `grpc-retry-pushback-ms` ([gRFC A6]), for clients that retry automatically. The HTTP status
/// of every gRPC response is 200.
///
/// [`Attempt::body_limit`]: countersign::verify::Attempt::body_limit
/// [gRFC A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Its verification failed.
    Unverified(countersign::Rejection),
    /// [`Sources`](crate::sources::Sources) has no source for its head.
    UnknownSource,
    /// Its body is larger than the limit, or than the limit of a layer around this one
    /// ([`LengthLimitError`](http_body_util::LengthLimitError)).
    BodyTooLarge {
        /// The limit, in bytes. For another layer's limit: the bytes that were read before it failed.
        limit: usize,
    },
    /// Its body took too long to arrive.
    BodyTimeout {
        /// The timeout.
        after: Duration,
    },
    /// Its body ended early, or its HTTP or gRPC framing is invalid.
    BodyUnreadable,
    /// The bodies of other requests leave no room for it in the [`BodyBudget`](crate::BodyBudget).
    OverBudget,
    /// It is a gRPC call with no message, or with several, and the layer does not
    /// [buffer](crate::VerifyLayer::buffer_grpc_streams) streams.
    GrpcStream,
    /// It is verified, but its event type cannot be read, and the layer filters events and
    /// [rejects](crate::policy::Untyped::Reject) such deliveries. It was not claimed.
    NoType,
    /// Another attempt of the same message is being handled.
    InFlight,
    /// The public keys of the source are unavailable, so it is unknown whether the request is authentic.
    KeysUnavailable,
    /// The replay store has no room for another message id. It never forgets an id early.
    StoreFull,
    /// The replay store failed or did not respond, so it is unknown whether the message is new. The feature `tracing`
    /// logs the cause.
    StoreUnavailable(StoreErrorKind),
    /// The replay store forgets ids before requests of this source expire
    /// ([`Verifier::longest_life`](countersign::Verifier::longest_life)), so a replay would be accepted. The layer is
    /// misconfigured.
    RetainTooShort {
        /// How long the store remembers ids.
        retain: Duration,
        /// How long it must remember them.
        needed: Duration,
    },
}

impl Rejection {
    /// The stable name of the reason, in snake case: the `code` of the problem document.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unverified(rejection) => rejection.reason().as_str(),
            Self::UnknownSource => "unknown_source",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::BodyUnreadable => "body_unreadable",
            Self::OverBudget => "over_budget",
            Self::GrpcStream => "grpc_stream",
            Self::NoType => "no_type",
            Self::InFlight => "in_flight",
            Self::KeysUnavailable => "keys_unavailable",
            Self::StoreFull => "store_full",
            Self::StoreUnavailable(_) => "store_unavailable",
            Self::RetainTooShort { .. } => "retain_too_short",
        }
    }

    /// The status of the response. Never 410, after which senders may disable the endpoint, and never a redirect. A
    /// gRPC client gets 200 and [`grpc_status`](Self::grpc_status) instead.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Unverified(rejection) => match rejection.reason() {
                Reason::MissingHeader
                | Reason::DuplicateHeader
                | Reason::MalformedId
                | Reason::MalformedTimestamp
                | Reason::MalformedSignature
                | Reason::TokenMalformed => StatusCode::BAD_REQUEST,
                Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::UNAUTHORIZED,
            },
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::BodyUnreadable => StatusCode::BAD_REQUEST,
            Self::GrpcStream => StatusCode::NOT_IMPLEMENTED,
            Self::NoType => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InFlight => StatusCode::CONFLICT,
            Self::OverBudget
            | Self::KeysUnavailable
            | Self::StoreFull
            | Self::StoreUnavailable(_)
            | Self::RetainTooShort { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `grpc-status` of the response to a gRPC call
    /// ([codes](https://github.com/grpc/grpc/blob/master/doc/statuscodes.md)).
    pub const fn grpc_status(&self) -> u8 {
        match self {
            Self::Unverified(rejection) if matches!(rejection.reason(), Reason::BodyTooLarge) => {
                code::RESOURCE_EXHAUSTED
            }
            Self::Unverified(_) if self.status().as_u16() == 400 => code::INVALID_ARGUMENT,
            Self::Unverified(_) => code::UNAUTHENTICATED,
            Self::UnknownSource => code::NOT_FOUND,
            Self::BodyTooLarge { .. } | Self::OverBudget | Self::StoreFull => code::RESOURCE_EXHAUSTED,
            Self::BodyTimeout { .. } => code::DEADLINE_EXCEEDED,
            Self::BodyUnreadable | Self::NoType => code::INVALID_ARGUMENT,
            Self::GrpcStream => code::UNIMPLEMENTED,
            Self::InFlight => code::ABORTED,
            Self::KeysUnavailable | Self::StoreUnavailable(_) | Self::RetainTooShort { .. } => code::UNAVAILABLE,
        }
    }

    /// The delay after which the sender should retry, 5 s, if an unchanged retry can succeed. `None` otherwise.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::OverBudget
            | Self::InFlight
            | Self::KeysUnavailable
            | Self::StoreFull
            | Self::StoreUnavailable(_)
            | Self::RetainTooShort { .. } => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The rejection of every request to this verifier, if the store forgets ids too early.
    pub(crate) fn of_retain(retain: Option<Duration>, verifier: &Verifier) -> Option<Self> {
        let (retain, needed) = (retain?, verifier.longest_life());
        (retain < needed).then_some(Self::RetainTooShort { retain, needed })
    }

    /// Whether newer public keys might change the result.
    pub(crate) const fn wants_public_key(&self) -> bool {
        matches!(self, Self::Unverified(rejection) if rejection.wants_public_key())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified(rejection) => rejection.fmt(f),
            Self::UnknownSource => {
                f.write_str("no source is configured for this address: check the URL that the sender posts to")
            }
            Self::BodyTooLarge { limit } => write!(f, "the body is larger than {limit} bytes"),
            Self::BodyTimeout { after } => write!(f, "the body did not arrive within {after:?}"),
            Self::BodyUnreadable => f.write_str("the body ended early, or its framing is invalid"),
            Self::OverBudget => f.write_str("the bodies of other requests use all memory for bodies: retry later"),
            Self::GrpcStream => {
                f.write_str("a signature covers one message, and this call has none, or several: make a unary call")
            }
            Self::NoType => f.write_str(
                "the type of the event cannot be read, and this endpoint accepts listed types only: \
                 send a JSON object with one `type`, or a `ce-type` header",
            ),
            Self::InFlight => f.write_str("another attempt of this message is being handled: retry later"),
            Self::KeysUnavailable => f.write_str("the public keys of this source are unavailable: retry later"),
            Self::StoreFull => StoreErrorKind::Full.fmt(f),
            Self::StoreUnavailable(kind) => kind.fmt(f),
            Self::RetainTooShort { retain, needed } => write!(
                f,
                "the replay store forgets ids after {retain:?}, but a request of this source stays valid for \
                 {needed:?}: set `retain` to {needed:?} or more"
            ),
        }
    }
}

impl std::error::Error for Rejection {}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Full => Self::StoreFull,
            kind => Self::StoreUnavailable(kind),
        }
    }
}

impl From<countersign::Rejection> for Rejection {
    fn from(rejection: countersign::Rejection) -> Self {
        Self::Unverified(rejection)
    }
}
