use std::fmt;
use std::time::Duration;

use countersign::replay::{StoreError, StoreErrorKind};
use countersign::{Reason, Verifier};
use http::StatusCode;

use crate::grpc::code;

/// When a sender that has to come back should.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a delivery was not handed to the service. Statuses are those of RFC 9110; 401 comes with
/// `WWW-Authenticate: Webhook-Signature`.
///
/// | rejection | status | gRPC |
/// | --- | --- | --- |
/// | `Unverified`: a header that is missing, twice there or malformed | 400 | `INVALID_ARGUMENT` |
/// | `Unverified`: a body that is too large for its signatures ([`Attempt::body_limit`]) | 413 | `RESOURCE_EXHAUSTED` |
/// | `Unverified`, all others | 401 | `UNAUTHENTICATED` |
/// | `UnknownSource` | 404 | `NOT_FOUND` |
/// | `BodyTooLarge` | 413 | `RESOURCE_EXHAUSTED` |
/// | `BodyTimeout` | 408 | `DEADLINE_EXCEEDED` |
/// | `BodyUnreadable` | 400 | `INVALID_ARGUMENT` |
/// | `OverBudget` | 503, `Retry-After` | `RESOURCE_EXHAUSTED`, with pushback |
/// | `GrpcStream` | | `UNIMPLEMENTED` |
/// | `NoType` | 422 | `INVALID_ARGUMENT` |
/// | `InFlight` | 409, `Retry-After` | `ABORTED`, with pushback |
/// | `StoreFull` | 503, `Retry-After` | `RESOURCE_EXHAUSTED`, with pushback |
/// | `KeysUnavailable`, `StoreUnavailable`, `RetainTooShort` | 503, `Retry-After` | `UNAVAILABLE`, with pushback |
///
/// Pushback is `grpc-retry-pushback-ms` of gRPC's retries ([gRFC A6]), for clients that retry by themselves.
///
/// [`Attempt::body_limit`]: countersign::verify::Attempt::body_limit
/// [gRFC A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// It could not be verified.
    Unverified(countersign::Rejection),
    /// [`Sources`](crate::sources::Sources) knows no source for its head.
    UnknownSource,
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
    /// Its body broke off, or was not framed as HTTP or gRPC asks for.
    BodyUnreadable,
    /// The bodies that are held right now leave no room for it; see [`BodyBudget`](crate::BodyBudget).
    OverBudget,
    /// It is a call of gRPC with another number of messages than one, and the layer was not told to
    /// [buffer](crate::VerifyLayer::buffer_grpc_streams) streams.
    GrpcStream,
    /// It is verified, but its event type cannot be read, and the layer filters events and was told to
    /// [reject](crate::policy::Untyped::Reject) such deliveries. It was not claimed.
    NoType,
    /// It is being handled right now.
    InFlight,
    /// The source's public keys are out of reach, so nobody knows whether it is genuine.
    KeysUnavailable,
    /// The replay store has no room for another message id, and never forgets one before its time.
    StoreFull,
    /// The replay store failed or did not respond, so it is unknown whether the message is new. The feature `tracing`
    /// logs the cause.
    StoreUnavailable(StoreErrorKind),
    /// The replay store forgets ids sooner than requests of this source expire
    /// ([`Verifier::longest_life`](countersign::Verifier::longest_life)), so a replay would pass: the layer is
    /// misconfigured.
    RetainTooShort {
        /// How long the store remembers ids.
        retain: Duration,
        /// How long it has to.
        needed: Duration,
    },
}

impl Rejection {
    /// The stable name of the reason, in snake case: the `code` of the answer.
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

    /// The status that it is answered with. Never 410 or 3xx: senders take these for more than they say.
    /// A gRPC client gets 200, and [`grpc_status`](Self::grpc_status).
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

    /// The `grpc-status` that a gRPC client is answered with
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

    /// When the sender should come back, where that is all that it takes: in 5 s.
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

    /// The rejection of every delivery of this verifier, if the store forgets ids too soon.
    pub(crate) fn of_retain(retain: Option<Duration>, verifier: &Verifier) -> Option<Self> {
        let (retain, needed) = (retain?, verifier.longest_life());
        (retain < needed).then_some(Self::RetainTooShort { retain, needed })
    }

    /// Whether newer public keys could have made a difference.
    pub(crate) const fn wants_public_key(&self) -> bool {
        matches!(self, Self::Unverified(rejection) if rejection.wants_public_key())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified(rejection) => rejection.fmt(f),
            Self::UnknownSource => f.write_str("nobody is known who would send to this address"),
            Self::BodyTooLarge { limit } => write!(f, "the body is larger than {limit} bytes"),
            Self::BodyTimeout { after } => write!(f, "the body did not arrive within {after:?}"),
            Self::BodyUnreadable => f.write_str("the body broke off before its end"),
            Self::OverBudget => f.write_str("too many bodies are held right now: come back later"),
            Self::GrpcStream => {
                f.write_str("a signature is for one message, and this call has none, or several: make a unary call")
            }
            Self::NoType => f.write_str(
                "the event has no type that can be read, and this endpoint accepts listed types only: \
                 send a JSON object with one `type`, or a `ce-type` header",
            ),
            Self::InFlight => f.write_str("this delivery is being handled right now: come back later"),
            Self::KeysUnavailable => {
                f.write_str("the keys of this source cannot be reached right now: come back later")
            }
            Self::StoreFull => StoreErrorKind::Full.fmt(f),
            Self::StoreUnavailable(kind) => kind.fmt(f),
            Self::RetainTooShort { retain, needed } => write!(
                f,
                "the replay store forgets ids after {retain:?}, but a request of this source may be accepted again \
                 for {needed:?}: set `retain` to that or more"
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
