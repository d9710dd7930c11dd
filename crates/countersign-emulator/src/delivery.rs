//! A delivery: one event on its way to one endpoint, its attempts, and how it ended.

use std::time::Duration;

use bytes::Bytes;
use countersign::{MessageId, UnixTime};
use http::Uri;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::project::ProjectId;
use crate::time;

/// A delivery and its attempts so far.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) id: MessageId,
    pub(crate) project: ProjectId,
    pub(crate) event_type: String,
    pub(crate) uri: Uri,
    /// The id of the registered webhook; `None` for a dynamic one.
    pub(crate) webhook: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) created: UnixTime,
    pub(crate) status: Status,
    /// Whether to send it once more after it succeeded.
    pub(crate) is_repeated: bool,
    pub(crate) attempts: Vec<Attempt>,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The next attempt is due then.
    Waiting { until: UnixTime },
    /// An attempt is being made.
    InFlight,
    /// It has ended like this.
    Ended(Ending),
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ending {
    /// The receiver responded with 2xx.
    Delivered,
    /// The schedule's window ended before an attempt succeeded.
    GivenUp,
    /// The receiver responded with 410: it wants no more events.
    Gone,
    /// Its webhook was disabled or deleted in the meantime.
    Dropped,
}

impl Ending {
    /// The stable name, in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Gone => "gone",
            Self::Dropped => "dropped",
        }
    }
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::InFlight => "in_flight",
            Self::Ended(ending) => ending.as_str(),
        }
    }
}

/// An attempt that has ended.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The emulated time at which it was made.
    pub at: UnixTime,
    /// The signed timestamp, in Unix seconds of the machine's clock.
    pub timestamp: u64,
    /// The signature scheme: `v1`, `v1a` or `rs256`.
    pub scheme: &'static str,
    /// The signing keys: truncated secrets, or the id of a published key.
    pub keys: Vec<String>,
    /// The fault that was injected, if any.
    pub fault: Option<Fault>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// How long the response took, by the machine's clock.
    pub latency: Duration,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The receiver responded.
    Response {
        /// The status code.
        status: u16,
        /// `Retry-After`, if the response has one that can be parsed.
        retry_after: Option<Duration>,
        /// The beginning of the body, unless the attempt succeeded. Only the last attempt of a delivery
        /// keeps it.
        excerpt: Option<String>,
    },
    /// There was no response, for this reason.
    NoResponse(String),
}

impl AttemptOutcome {
    /// Whether the delivery is done: only 2xx is. A redirect is not followed, and is a failure.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Response { status: 200..=299, .. })
    }
}

impl Delivery {
    /// Its state as JSON, without the attempts.
    pub(crate) fn summary(&self) -> Value {
        let mut shown = json!({
            "id": self.id.as_str(),
            "project": self.project.number(),
            "event_type": self.event_type,
            "uri": self.uri.to_string(),
            "webhook": self.webhook,
            "created": time::to_the_millisecond(self.created),
            "status": self.status.as_str(),
            "attempts": self.attempts.len(),
            "last_answer": self.attempts.last().map(|attempt| attempt.outcome.to_json()),
        });
        if let Status::Waiting { until } = self.status {
            shown["next_attempt"] = time::to_the_millisecond(until).into();
        }
        shown
    }

    /// Everything about it as JSON.
    pub(crate) fn details(&self) -> Value {
        let mut shown = self.summary();
        shown["body"] = String::from_utf8_lossy(&self.body).into();
        shown["attempts"] = self.attempts.iter().map(Attempt::to_json).collect();
        shown
    }
}

impl Attempt {
    fn to_json(&self) -> Value {
        json!({
            "at": time::to_the_millisecond(self.at),
            "webhook_timestamp": self.timestamp,
            "scheme": self.scheme,
            "keys": self.keys,
            "fault": self.fault,
            "answer": self.outcome.to_json(),
            "latency_ms": u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl AttemptOutcome {
    fn to_json(&self) -> Value {
        match self {
            Self::Response { status, retry_after, excerpt } => {
                let mut shown = json!({ "status": status });
                if let Some(after) = retry_after {
                    shown["retry_after_seconds"] = after.as_secs().into();
                }
                if let Some(excerpt) = excerpt {
                    shown["said"] = excerpt.as_str().into();
                }
                shown
            }
            Self::NoResponse(why) => json!({ "error": why }),
        }
    }
}
