use crate::reject::rejection::Rejection;

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service handled it, and the message will not be handled again.
    Confirmed,
    /// The service handled it, but this was not recorded: the store failed or did not respond in time, or the lease
    /// had run out. A retry may reach the service again.
    Unrecorded,
    /// The service did not handle it. A retry will be handled.
    Released,
    /// Its future, or the body of its response, was dropped before the end: the sender disconnected, a timeout around
    /// the layer passed, or the service panicked. Its claim was released, unless it was being confirmed.
    Abandoned,
    /// The message was handled before. It was acknowledged without the service, or passed to it with a mark, depending
    /// on [`OnDuplicate`](crate::policy::OnDuplicate).
    Duplicate,
    /// It is authentic, but the layer's filter does not pass its event type. It was acknowledged without the service.
    Filtered,
    /// It was rejected.
    Rejected(Rejection),
}

impl Outcome {
    /// The stable name, in snake case. A rejection is named `refused`, as in the gateway's metrics.
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
