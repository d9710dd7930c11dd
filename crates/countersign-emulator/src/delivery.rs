//! One event on its way to one endpoint: its attempts, and how it ended.

use std::time::Duration;

use bytes::Bytes;
use countersign::{MessageId, UnixTime};
use http::Uri;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::project::ProjectId;
use crate::time;

/// What the emulator knows of a delivery.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) id: MessageId,
    pub(crate) project: ProjectId,
    pub(crate) event_type: String,
    pub(crate) uri: Uri,
    /// The registered webhook that it goes to; a dynamic one has none.
    pub(crate) webhook: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) created: UnixTime,
    pub(crate) status: Status,
    /// To be sent once more after it succeeded.
    pub(crate) is_repeated: bool,
    pub(crate) attempts: Vec<Attempt>,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It is to be attempted then.
    Waiting { until: UnixTime },
    /// It is being attempted.
    InFlight,
    /// It ended so.
    Ended(Ending),
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ending {
    /// It was answered 2xx.
    Delivered,
    /// Its time was over.
    GivenUp,
    /// It was answered 410: the endpoint does not want any.
    Gone,
    /// Its webhook was disabled or deleted meanwhile.
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

/// One attempt, once it has ended.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The emulated time at which it was made.
    pub at: UnixTime,
    /// The timestamp that was signed, in seconds of the machine's time.
    pub timestamp: u64,
    /// How it was signed.
    pub scheme: &'static str,
    /// With which keys: shortened secrets, or a published key's id.
    pub keys: Vec<String>,
    /// What went wrong with it on purpose.
    pub fault: Option<Fault>,
    /// What the receiver said.
    pub answer: Answer,
    /// How long that took, in the machine's time.
    pub latency: Duration,
}

/// What a receiver said to an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// This status.
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`, if it was there and could be read.
        retry_after: Option<Duration>,
        /// The beginning of what it said besides, if it was no success. Of a delivery's attempts the last
        /// one keeps it.
        said: Option<String>,
    },
    /// None, and why.
    None(String),
}

impl Answer {
    /// Whether the delivery is done: 2xx, and nothing else. A redirect is none: it is not followed.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Status { status: 200..=299, .. })
    }
}

impl Delivery {
    /// What became of it, without its attempts.
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
            "last_answer": self.attempts.last().map(|attempt| attempt.answer.shown()),
        });
        if let Status::Waiting { until } = self.status {
            shown["next_attempt"] = time::to_the_millisecond(until).into();
        }
        shown
    }

    /// All that is known of it.
    pub(crate) fn details(&self) -> Value {
        let mut shown = self.summary();
        shown["body"] = String::from_utf8_lossy(&self.body).into();
        shown["attempts"] = self.attempts.iter().map(Attempt::shown).collect();
        shown
    }
}

impl Attempt {
    fn shown(&self) -> Value {
        json!({
            "at": time::to_the_millisecond(self.at),
            "webhook_timestamp": self.timestamp,
            "scheme": self.scheme,
            "keys": self.keys,
            "fault": self.fault,
            "answer": self.answer.shown(),
            "latency_ms": u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl Answer {
    fn shown(&self) -> Value {
        match self {
            Self::Status { status, retry_after, said } => {
                let mut shown = json!({ "status": status });
                if let Some(after) = retry_after {
                    shown["retry_after_seconds"] = after.as_secs().into();
                }
                if let Some(said) = said {
                    shown["said"] = said.as_str().into();
                }
                shown
            }
            Self::None(why) => json!({ "error": why }),
        }
    }
}
