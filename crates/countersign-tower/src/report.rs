use std::time::Duration;

use countersign::Verified;

use crate::refusal::Refusal;

/// What became of a request; in the extensions of every response of [`Verify`](crate::Verify).
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) outcome: Outcome,
    pub(crate) verified: Option<Verified>,
    pub(crate) verification_time: Option<Duration>,
}

impl Report {
    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Why it was refused, if it was.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.outcome {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The verdict, if it was a genuine one.
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
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
    /// The service handled it, but the store could not record that, or the lease had run out: a retry
    /// may reach the service again.
    Unrecorded,
    /// The service did not handle it: a retry is welcome.
    Released,
    /// It was handled before, and acknowledged without the service.
    Duplicate,
    /// It is genuine, and nobody asked for events of its type.
    Filtered,
    /// It was refused.
    Refused(Refusal),
}

impl Outcome {
    /// The stable name, in snake case.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unrecorded => "unrecorded",
            Self::Released => "released",
            Self::Duplicate => "duplicate",
            Self::Filtered => "filtered",
            Self::Refused(_) => "refused",
        }
    }
}
