use crate::reject::rejection::Rejection;

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
    /// Its future, or the body of its response, was dropped before the end: the sender disconnected, a time limit ran
    /// out around the layer, or the service panicked. A claim, if there was one, was released, unless it
    /// was being confirmed.
    Abandoned,
    /// It was handled before: acknowledged without the service, or handed to it marked, as
    /// [`OnDuplicate`](crate::policy::OnDuplicate) says.
    Duplicate,
    /// It is genuine, and its type is not one that the layer's filter lets through.
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
            Self::Abandoned => "abandoned",
            Self::Duplicate => "duplicate",
            Self::Filtered => "filtered",
            Self::Rejected(_) => "refused",
        }
    }
}

impl From<Rejection> for Outcome {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}
