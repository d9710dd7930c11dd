//! The contract of inboxes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::Settled;

use crate::backlog::Backlog;
use crate::delivery::{Delivery, DeliveryId, Leased, Receipt};
use crate::error::InboxError;
use crate::filter::{Filter, Keep};
use crate::message::{NewMessage, StoredMessage};

/// The result of an operation of an inbox, when it is complete.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, InboxError>> + Send>>;

/// Stores verified messages durably, with one delivery for each of their destinations.
///
/// # What an implementation must guarantee
///
/// If one of these is violated, messages are lost or delivered too often:
///
/// - A message that was [stored](Enqueued::Stored) is durable: after a crash, it is in the inbox with all its
///   deliveries. The id, the message and the deliveries are stored together or not at all.
/// - Of all concurrent calls of `enqueue` with one key, at most one returns `Stored`, also across all processes that
///   share the inbox. The key is remembered for at least [`NewMessage::retain`].
/// - Claims and messages share their keys if one store is both a replay store and an inbox. A claimed key is
///   [`InFlight`](Enqueued::InFlight), a confirmed key is a [`Duplicate`](Enqueued::Duplicate), and a stored message is
///   `Done` for claims.
/// - A delivery has at most one valid lease. When a lease expires, the delivery can be leased again. The numbers of
///   receipts are never reused, and a receipt that is not of the newest lease changes nothing.
/// - Nothing is removed before [`Keep`] allows it, unless it is [discarded](Self::discard). A full inbox rejects new messages with [`InboxError::Full`], and all
///   other operations continue.
/// - Dropping a future must not leave a partial change. `acknowledge`, `retry`, `dead_letter` and `give_back` take effect
///   from the call on, even if their future is dropped.
///
/// # Time
///
/// The caller passes a reading of its clock. All calls use the same clock, and all times in the future are durations
/// from `now`. An inbox inside the process measures them with [`ClockReading::monotonic`]. An inbox that several machines
/// share measures them with the clock of its server.
///
/// With the feature `conformance`, the module `conformance` tests an inbox against this contract.
pub trait Inbox: Send + Sync + 'static {
    /// Stores a message and its deliveries. Those with a [lease](crate::NewDelivery::lease) are leased in the same step
    /// and returned, as their first attempt. The others are due at once. Only [`Stored`](Enqueued::Stored) comes with
    /// leased deliveries.
    fn enqueue_leased(&self, message: NewMessage, now: ClockReading) -> Pending<(Enqueued, Vec<Leased>)>;

    /// Stores a message and its deliveries, which are all due at once.
    fn enqueue(&self, message: NewMessage, now: ClockReading) -> Pending<Enqueued> {
        let stored = self.enqueue_leased(message.leased(|_| None), now);
        Box::pin(async { stored.await.map(|(enqueued, _)| enqueued) })
    }

    /// Leases up to `max` due deliveries of a destination for the duration of `lease`, longest due first. The list is
    /// empty if none is due. Each lease is an attempt, also if its process crashes.
    fn lease(&self, destination: &str, max: usize, lease: Duration, now: ClockReading) -> Pending<Vec<Leased>>;

    /// Marks a delivery as done. A receipt whose lease has expired is still valid if the delivery was not leased again.
    fn acknowledge(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled>;

    /// Records a failed attempt. The delivery is due again after `delay`.
    fn retry(&self, receipt: Receipt, delay: Duration, error: &str, now: ClockReading) -> Pending<Settled>;

    /// Records a failed attempt as the last one. The delivery is kept as a dead letter.
    fn dead_letter(&self, receipt: Receipt, error: &str, now: ClockReading) -> Pending<Settled>;

    /// Gives back a delivery whose attempt does not start. It is due at once, and this lease does not count as an attempt.
    fn give_back(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled>;

    /// Makes a delivery due at once: a dead letter, a delivery that is done, or one that waits for its next attempt. Its
    /// attempts and its [`Delivery::since`] start again. Returns `false` if it does not exist or is leased.
    fn requeue(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool>;

    /// Removes a delivery, whatever its state is, and its message with the last one. The message id is still remembered.
    /// Returns `false` if the delivery does not exist or is leased.
    fn discard(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool>;

    /// Lists deliveries, newest first.
    fn list(&self, filter: Filter) -> Pending<Vec<Delivery>>;

    /// The message of a delivery.
    fn message(&self, delivery: DeliveryId) -> Pending<Option<StoredMessage>>;

    /// Removes up to `limit` deliveries that [`Keep`] no longer covers, and messages without a delivery. Returns how many
    /// deliveries were removed. Repeat the call while it returns `limit`.
    fn expire(&self, keep: Keep, limit: usize, now: ClockReading) -> Pending<usize>;

    /// Pauses or resumes a destination, durably and for all processes that share the inbox. Returns `false` if nothing
    /// changes. Workers do not lease deliveries of a paused destination; [`lease`](Self::lease) itself does not look.
    fn pause(&self, destination: &str, is_paused: bool) -> Pending<bool>;

    /// The names of the destinations that are paused, sorted.
    fn paused(&self) -> Pending<Vec<String>>;

    /// What has not been delivered: one entry for each destination that has such deliveries, sorted by name. It is
    /// cheap, however many deliveries there are.
    fn backlog(&self) -> Pending<Vec<Backlog>>;

    /// The time until the next delivery of a destination is due, which is also when a lease expires. `None` if there is
    /// no such delivery, or if the inbox cannot tell: then workers ask for deliveries every few seconds.
    fn next_due(&self, destination: &str, now: ClockReading) -> Pending<Option<Duration>> {
        let _ = (destination, now);
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// The result of [`Inbox::enqueue`] and [`Inbox::enqueue_leased`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// The message is durable. Respond with 202.
    Stored,
    /// The message was stored or handled before. Respond with 2xx, and store nothing.
    Duplicate,
    /// A claim of a replay store holds the key. The sender should retry later.
    InFlight,
}

impl<T: Inbox + ?Sized> Inbox for Arc<T> {
    fn enqueue_leased(&self, message: NewMessage, now: ClockReading) -> Pending<(Enqueued, Vec<Leased>)> {
        T::enqueue_leased(self, message, now)
    }

    fn enqueue(&self, message: NewMessage, now: ClockReading) -> Pending<Enqueued> {
        T::enqueue(self, message, now)
    }

    fn lease(&self, destination: &str, max: usize, lease: Duration, now: ClockReading) -> Pending<Vec<Leased>> {
        T::lease(self, destination, max, lease, now)
    }

    fn acknowledge(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        T::acknowledge(self, receipt, now)
    }

    fn retry(&self, receipt: Receipt, delay: Duration, error: &str, now: ClockReading) -> Pending<Settled> {
        T::retry(self, receipt, delay, error, now)
    }

    fn dead_letter(&self, receipt: Receipt, error: &str, now: ClockReading) -> Pending<Settled> {
        T::dead_letter(self, receipt, error, now)
    }

    fn give_back(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        T::give_back(self, receipt, now)
    }

    fn requeue(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool> {
        T::requeue(self, delivery, now)
    }

    fn discard(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool> {
        T::discard(self, delivery, now)
    }

    fn list(&self, filter: Filter) -> Pending<Vec<Delivery>> {
        T::list(self, filter)
    }

    fn message(&self, delivery: DeliveryId) -> Pending<Option<StoredMessage>> {
        T::message(self, delivery)
    }

    fn expire(&self, keep: Keep, limit: usize, now: ClockReading) -> Pending<usize> {
        T::expire(self, keep, limit, now)
    }

    fn pause(&self, destination: &str, is_paused: bool) -> Pending<bool> {
        T::pause(self, destination, is_paused)
    }

    fn paused(&self) -> Pending<Vec<String>> {
        T::paused(self)
    }

    fn backlog(&self) -> Pending<Vec<Backlog>> {
        T::backlog(self)
    }

    fn next_due(&self, destination: &str, now: ClockReading) -> Pending<Option<Duration>> {
        T::next_due(self, destination, now)
    }
}
