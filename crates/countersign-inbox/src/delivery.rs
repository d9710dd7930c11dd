//! Deliveries: one message on its way to one destination.

use std::fmt;

use countersign::UnixTime;
use countersign::replay::ReplayKey;

use crate::message::StoredMessage;

/// Identifies a delivery in its inbox. A newer delivery has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(u64);

impl DeliveryId {
    /// The delivery with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits for its next attempt.
    Waiting,
    /// A worker has leased it. When the lease expires, it can be leased again.
    Leased,
    /// Its destination has accepted it.
    Done,
    /// It ran out of attempts.
    Dead,
}

/// A delivery as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The source and the message id.
    pub key: ReplayKey,
    /// The event type of the message, if it has one.
    pub event_type: Option<String>,
    /// Where it is delivered.
    pub destination: String,
    /// Its state.
    pub state: State,
    /// How many attempts were started since it was enqueued or requeued.
    pub attempts: u32,
    /// When it was enqueued or requeued. The retry schedule starts here.
    pub since: UnixTime,
    /// When it is due, when its lease expires, or when it ended.
    pub due: UnixTime,
    /// The error of the last attempt that failed.
    pub last_error: Option<String>,
}

/// A delivery that was leased, with its message.
#[derive(Debug, PartialEq, Eq)]
pub struct Leased {
    /// The right to record the result of this attempt.
    pub receipt: Receipt,
    /// The number of this attempt, starting at 1.
    pub attempt: u32,
    /// When the delivery was enqueued or requeued. The retry schedule starts here.
    pub since: UnixTime,
    /// The message.
    pub message: StoredMessage,
}

/// The right to record the result of an attempt once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a delivery whose attempt has no result is attempted again when the lease expires"]
pub struct Receipt {
    delivery: DeliveryId,
    number: u64,
}

impl Receipt {
    /// Creates a receipt for a lease, for inboxes. No other lease of the delivery may ever have the same number.
    pub const fn new(delivery: DeliveryId, number: u64) -> Self {
        Self { delivery, number }
    }

    /// The leased delivery.
    pub const fn delivery(&self) -> DeliveryId {
        self.delivery
    }

    /// The number that distinguishes this lease from older leases of the same delivery.
    pub const fn number(&self) -> u64 {
        self.number
    }
}
