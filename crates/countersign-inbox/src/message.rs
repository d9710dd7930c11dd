//! Messages: what is stored, and what is enqueued.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use countersign::replay::ReplayKey;
use countersign::{UnixTime, Verified};

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

impl StoredMessage {
    /// A body of at least this length is not copied: the buffer in which it arrived is hardly larger.
    const LONG: usize = 16 * 1024;

    /// A message that was verified, with the path and the query of its request.
    ///
    /// It keeps none of the buffers in which a short request arrived: they are larger than the message, and thousands
    /// of messages can wait.
    pub fn of(verified: &Verified, path: &str, headers: Headers, received: UnixTime) -> Self {
        let body = verified.body();
        Self {
            key: verified.replay_key().apart(),
            event_type: verified.event_type().map(Cow::into_owned),
            path: path.to_owned(),
            headers,
            body: if body.len() < Self::LONG { Bytes::copy_from_slice(body) } else { body.clone() },
            received,
        }
    }
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

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use countersign::sign::Signer;
    use countersign::{MessageId, Secret, Verifier};
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_790_661_946);

    /// The message of a request that arrived in one buffer, with that buffer.
    fn message(body: &[u8]) -> (StoredMessage, Bytes) {
        let secret = || Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a secret");
        let id = MessageId::parse("msg_1").expect("an id");
        let mut buffer = BytesMut::with_capacity(4096);
        buffer.extend_from_slice(body);
        let signed = Signer::new([secret()]).expect("a signer").sign(&id, NOW, body);
        for value in signed.values() {
            buffer.extend_from_slice(value.as_bytes());
        }
        let buffer = buffer.freeze();
        let (body, mut rest) = (buffer.slice(..body.len()), buffer.slice(body.len()..));
        let part = |(name, value): (&http::HeaderName, &HeaderValue)| {
            let part = HeaderValue::from_maybe_shared(rest.split_to(value.len())).expect("a valid value");
            (name.clone(), part)
        };
        let headers: HeaderMap = signed.iter().map(part).collect();
        let receiver = Verifier::builder("test").secret(secret()).build().expect("a verifier");
        let verified = receiver.begin(&headers, NOW).and_then(|attempt| attempt.finish(body)).expect("a signature");
        (StoredMessage::of(&verified, "/hook", Headers::from(&headers), NOW), buffer)
    }

    #[test]
    fn a_short_message_keeps_no_buffer_of_its_request_and_a_long_body_is_not_copied() {
        let (short, buffer) = message(br#"{"type":"batch.succeeded"}"#);
        assert!(buffer.is_unique());
        assert_eq!((short.key.source(), short.key.message_id().as_str()), ("test", "msg_1"));
        assert_eq!((short.event_type.as_deref(), &short.path[..]), (Some("batch.succeeded"), "/hook"));
        assert_eq!((&short.body[..], short.received), (&br#"{"type":"batch.succeeded"}"#[..], NOW));
        assert_eq!(short.headers.get("webhook-id"), Some(&b"msg_1"[..]));

        let (long, buffer) = message(&vec![b' '; StoredMessage::LONG]);
        assert_eq!(long.body.as_ptr(), buffer.as_ptr());
    }
}
