//! What became of each request, told once: to the report hook and the span.

pub(crate) mod hook;
mod outcome;
pub(crate) mod recorder;
#[cfg_attr(not(feature = "tracing"), path = "trace_off.rs")]
pub(crate) mod trace;

use std::time::Duration;

use countersign::{Verified, Verifier};
use http::StatusCode;
use http::uri::PathAndQuery;

use crate::reject::rejection::Rejection;

pub use outcome::Outcome;

/// What became of a request. The layer's [report hook](crate::VerifyLayer::on_report) is given one for each request.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<StatusCode>,
    pub(crate) latency: Duration,
    pub(crate) path: Option<PathAndQuery>,
    pub(crate) verifier: Option<Verifier>,
    pub(crate) verified: Option<Verified>,
    pub(crate) verification_time: Option<Duration>,
    pub(crate) failure: Option<FailureCode>,
    pub(crate) is_untyped: bool,
    pub(crate) was_deferred: bool,
}

impl Report {
    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Why it was rejected, if it was.
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.outcome {
            Outcome::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// The status of the response. `None` if there was none: the request was abandoned, or the service gave an error.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// How long it took, from the arrival of its head to its end: the response, or the end of the response's body if
    /// that [decided](Self::was_deferred).
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// The path of the request, without its query. It is not signed.
    pub fn path(&self) -> &str {
        self.path.as_ref().map_or("", PathAndQuery::path)
    }

    /// The name of the source that the request claims to be from, if one was chosen. Only [`verified`](Self::verified)
    /// proves it.
    pub fn source(&self) -> Option<&str> {
        self.verifier.as_ref().map(Verifier::source)
    }

    /// The verdict, if the request was genuine.
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// How long it took to verify the body, if it came to that.
    pub fn verification_time(&self) -> Option<Duration> {
        self.verification_time
    }

    /// Why the service did not handle it, if the service [said](FailureCode) so.
    pub fn failure(&self) -> Option<&'static str> {
        self.failure.map(|failure| failure.0)
    }

    /// Whether the layer filters events and could not read the type of this one; see
    /// [`Untyped`](crate::policy::Untyped). Not set by a layer without a filter, which reads no types.
    pub fn is_untyped(&self) -> bool {
        self.is_untyped
    }

    /// Whether the end of the response's body decided the outcome, after its head had been sent.
    pub fn was_deferred(&self) -> bool {
        self.was_deferred
    }
}

/// Why a service did not handle a delivery: a stable name in snake case, for [`Report::failure`]. The service puts it
/// in the extensions of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureCode(pub &'static str);
