//! Messages: what is stored, and what is enqueued.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use countersign::UnixTime;
use countersign::replay::ReplayKey;

use crate::headers::Headers;

/// A verified message, as it is sent to its destinations.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The source and the message id.
    pub key: ReplayKey,
    /// The event type, if the message has one.
    pub event_type: Option<String>,
    /// The path and the query of the request.
    pub path: String,
    /// The headers of the request.
    pub headers: Headers,
    /// The body of the request, byte for byte.
    pub body: Bytes,
    /// When the request was received.
    pub received: UnixTime,
}

/// Without the headers and the body, which may be secret.
impl fmt::Debug for StoredMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMessage")
            .field("key", &self.key)
            .field("event_type", &self.event_type)
            .field("path", &self.path)
            .field("received", &self.received)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// A message to enqueue, with its destinations.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The message.
    pub message: StoredMessage,
    /// How long its id is remembered. It must be at least
    /// [`Verifier::longest_life`](countersign::Verifier::longest_life), and it should cover the sender's retries.
    pub retain: Duration,
    deliveries: Vec<NewDelivery>,
}

/// A delivery of a message to enqueue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Where the message is delivered.
    pub destination: String,
    /// How long the process that stores the message leases the delivery. `None` if it is due at once.
    pub lease: Option<Duration>,
}

impl NewMessage {
    /// A message for one destination.
    pub fn new(message: StoredMessage, destination: impl Into<String>, retain: Duration) -> Self {
        Self { message, retain, deliveries: vec![NewDelivery { destination: destination.into(), lease: None }] }
    }

    /// Adds a destination. A destination that the message already has is not added again.
    #[must_use]
    pub fn also_to(mut self, destination: impl Into<String>) -> Self {
        let destination = destination.into();
        if !self.deliveries.iter().any(|delivery| delivery.destination == destination) {
            self.deliveries.push(NewDelivery { destination, lease: None });
        }
        self
    }

    /// Leases the deliveries for which `lease` returns a time, from the moment at which the message is stored. For
    /// [`Inbox::enqueue_leased`](crate::Inbox::enqueue_leased).
    #[must_use]
    pub fn leased(mut self, mut lease: impl FnMut(&str) -> Option<Duration>) -> Self {
        for delivery in &mut self.deliveries {
            delivery.lease = lease(&delivery.destination);
        }
        self
    }

    /// The deliveries: at least one, and none to the same destination as another.
    pub fn deliveries(&self) -> &[NewDelivery] {
        &self.deliveries
    }
}
