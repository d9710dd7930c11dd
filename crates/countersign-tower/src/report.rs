use std::sync::Arc;
use std::time::Duration;

use countersign::Verified;

use crate::rejection::Rejection;

/// What became of a request; in the extensions of every response of [`Verify`](crate::Verify), and given
/// to the layer's [report hook](crate::VerifyLayer::on_report).
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) outcome: Outcome,
    pub(crate) verified: Option<Verified>,
    pub(crate) verification_time: Option<Duration>,
    pub(crate) is_untyped: bool,
    pub(crate) was_deferred: bool,
}

impl Report {
    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether the end of the answer's body told the outcome, after the head had gone out with
    /// [`Outcome::Deferred`].
    pub fn was_deferred(&self) -> bool {
        self.was_deferred
    }

    /// Why it was rejected, if it was.
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.outcome {
            Outcome::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// The verdict, if it was a genuine one.
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// Whether the layer filters events and could not read the type of this one; see
    /// [`Untyped`](crate::Untyped). Not set by a layer without a filter, which reads no types.
    pub fn is_untyped(&self) -> bool {
        self.is_untyped
    }

    /// How long it took to verify the body, if it came to that.
    pub fn verification_time(&self) -> Option<Duration> {
        self.verification_time
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service handled it, and it will not be handled again.
    Confirmed,
    /// The service handled it, but the store could not record that, or did not say so in time, or the lease
    /// had run out: a retry may reach the service again.
    Unrecorded,
    /// The service did not handle it: a retry is welcome.
    Released,
    /// The service answers, and the end of its answer's body will tell. In a response's extensions only:
    /// [report hook](crate::VerifyLayer::on_report) is given what it came to.
    Deferred,
    /// Its future, or the body of its answer, was dropped before the end: the sender hung up, a time ran
    /// out around the layer, or the service panicked. A claim, if there was one, was released, unless it
    /// was being confirmed. Given to
    /// [report hook](crate::VerifyLayer::on_report) only: there is no response.
    Abandoned,
    /// It was handled before: acknowledged without the service, or handed to it marked, as
    /// [`OnDuplicate`](crate::OnDuplicate) says.
    Duplicate,
    /// It is genuine, and nobody asked for events of its type.
    Filtered,
    /// It was rejected.
    Rejected(Rejection),
}

impl Outcome {
    /// The stable name, in snake case. That of a rejection is `refused`, as in the gateway's metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unrecorded => "unrecorded",
            Self::Released => "released",
            Self::Deferred => "deferred",
            Self::Abandoned => "abandoned",
            Self::Duplicate => "duplicate",
            Self::Filtered => "filtered",
            Self::Rejected(_) => "refused",
        }
    }
}

/// A hook that is called once for each request; see [`VerifyLayer::on_report`](crate::VerifyLayer::on_report).
pub(crate) type ReportHook = Arc<dyn Fn(&Report) + Send + Sync>;
