//! Stores an event about a job in the inbox of a route.

use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::ReplayKey;
use countersign_inbox::{Enqueued, Inbox, InboxError, StoredMessage};
use countersign_reconcile::{ApiError, Missing};

use crate::inbox::RouteInbox;
use crate::trust::polled_headers;

/// The maximum time until an event is stored.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The inbox of a route.
#[derive(Clone)]
pub struct Target {
    /// Its inbox, with its destinations.
    pub inbox: RouteInbox,
    /// The name of the route.
    pub route: String,
    /// The path of its requests.
    pub path: String,
    /// The name of its source.
    pub source: String,
    /// How long ids are remembered.
    pub retain: Duration,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedOver {
    /// It is stored, and is delivered now.
    Stored,
    /// It was handed over before.
    Before,
}

/// Why an event is not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The API did not respond as it should.
    #[error("{0}")]
    Api(ApiError),
    /// The project has no such job.
    #[error("the project has no job with this name")]
    Unknown,
    /// The job is running, or no event is known for its end.
    #[error("the job has not ended, or no event is known for such an end")]
    NoEvent,
    /// The event matches no destination of the route, which rejects such messages.
    #[error("the event matches no destination of the route")]
    Unmatched,
    /// The inbox is full or unavailable.
    #[error("the event cannot be stored: {0}")]
    Inbox(InboxError),
}

impl Target {
    /// Whether both are the inbox of the same route. A running process has one inbox.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let facts = |one: &Self| (one.route.clone(), one.path.clone(), one.source.clone(), one.retain);
        facts(self) == facts(other) && self.inbox.is_like(&other.inbox)
    }

    /// Stores the event, unless it was stored before.
    pub(super) async fn store(&self, missing: &Missing, now: ClockReading) -> Result<HandedOver, HandOverError> {
        let (Some(event_type), Some(id), Some(body)) =
            (missing.event_type(), missing.message_id(), missing.body(now.wall))
        else {
            return Err(HandOverError::NoEvent);
        };
        let key = ReplayKey::parse(&self.source, &id);
        let message = StoredMessage {
            key: key.map_err(|error| HandOverError::Inbox(InboxError::unavailable(error)))?,
            event_type: Some(event_type.to_owned()),
            path: self.path.clone(),
            headers: polled_headers(&self.source, &id, event_type, now.wall),
            body: body.into(),
            received: now.wall,
        };
        let message = self.inbox.addressed(message, self.retain).ok_or(HandOverError::Unmatched)?;
        let enqueued = self.inbox.inbox.enqueue(message, now);
        match tokio::time::timeout(TIMEOUT, enqueued).await.unwrap_or(Err(InboxError::TimedOut)) {
            Ok(Enqueued::Stored) => Ok(HandedOver::Stored),
            Ok(Enqueued::Duplicate | Enqueued::InFlight) => Ok(HandedOver::Before),
            Err(error) => Err(HandOverError::Inbox(error)),
        }
    }
}
