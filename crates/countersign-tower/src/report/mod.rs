//! Reports the outcome of each request once, to the report hook and the span.

pub(crate) mod hook;
mod outcome;
pub(crate) mod recorder;
#[cfg_attr(not(feature = "tracing"), path = "trace_off.rs")]
pub(crate) mod trace;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use countersign::{Verified, Verifier};
use http::StatusCode;
use http::uri::PathAndQuery;

use crate::reject::rejection::Rejection;

pub use outcome::Outcome;

/// The outcome of a request, with its details. The layer passes one to its
/// [report hook](crate::VerifyLayer::on_report) for each request.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<StatusCode>,
    pub(crate) latency: Duration,
    pub(crate) path: Option<PathAndQuery>,
    pub(crate) verifier: Option<Verifier>,
    pub(crate) verified: Option<Verified>,
    pub(crate) verification_time: Option<Duration>,
    pub(crate) unverified_body: Option<UnverifiedBody>,
    pub(crate) failure: Option<FailureCode>,
    pub(crate) is_untyped: bool,
    pub(crate) was_deferred: bool,
}

impl Report {
    /// The outcome of the request.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The reason for the rejection, if the request was rejected.
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.outcome {
            Outcome::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// The status of the response. `None` if there was no response, because the request was abandoned or the service
    /// returned an error.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The time from the arrival of the request's head to the response, or to the end of the response body if that
    /// [settled](Self::was_deferred) the delivery.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// The path of the request, without its query. It is not signed.
    pub fn path(&self) -> &str {
        self.path.as_ref().map_or("", PathAndQuery::path)
    }

    /// The name of the source that the request claims to be from, if one was chosen. Only if
    /// [`verified`](Self::verified) is set does the request come from that source.
    pub fn source(&self) -> Option<&str> {
        self.verifier.as_ref().map(Verifier::source)
    }

    /// The verified delivery, if the request was authentic.
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// The body of a request that was rejected after its body was read, because nothing matches its signature. Anyone can
    /// have sent it: use it only to find out why it was rejected.
    pub fn unverified_body(&self) -> Option<&Bytes> {
        self.unverified_body.as_ref().map(|body| &body.0)
    }

    /// The time that it took to verify the body, if it was read and verified.
    pub fn verification_time(&self) -> Option<Duration> {
        self.verification_time
    }

    /// Why the service did not handle the delivery, if its response has a [`FailureCode`].
    pub fn failure(&self) -> Option<&'static str> {
        self.failure.map(|failure| failure.0)
    }

    /// Whether the layer filters events and could not read the type of this one (see
    /// [`Untyped`](crate::policy::Untyped)). Always false without a filter, because the layer then reads no types.
    pub fn is_untyped(&self) -> bool {
        self.is_untyped
    }

    /// Whether the end of the response body decided the outcome, after the head had been sent.
    pub fn was_deferred(&self) -> bool {
        self.was_deferred
    }
}

/// The body of a rejected request. `Debug` shows its length only.
#[derive(Clone)]
pub(crate) struct UnverifiedBody(pub(crate) Bytes);

impl fmt::Debug for UnverifiedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedBody({} bytes)", self.0.len())
    }
}

/// The reason why a service did not handle a delivery: a stable name in snake case. The service puts it in the
/// extensions of its response, and [`Report::failure`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureCode(pub &'static str);
