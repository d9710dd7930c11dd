//! The file as an inbox.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::ClockReading;
use countersign::replay::Settled;
use countersign_inbox::{
    Backlog, Delivery, DeliveryId, Enqueued, Filter, Inbox, InboxError, Keep, Leased, NewMessage, Pending, Receipt,
    StoredMessage,
};
use tokio::sync::oneshot;

use crate::deliveries::{Ending, message_of};
use crate::destinations;
use crate::error::Failure;
use crate::listing::list;
use crate::store::{Need, SqliteStore};
use crate::time::millis;

impl SqliteStore {
    fn settle(&self, receipt: &Receipt, ending: Ending, now: ClockReading) -> Pending<Settled> {
        let (delivery, token, now) = (receipt.delivery().number(), receipt.number(), self.time(now));
        pending(self.act(Need::Certainty, 0, move |batch| batch.settle(delivery, token, &ending, now)))
    }
}

impl Inbox for SqliteStore {
    fn enqueue_leased(&self, message: NewMessage, now: ClockReading) -> Pending<(Enqueued, Vec<Leased>)> {
        let (bytes, now) = (message.message.body.len(), self.time(now));
        let message = Arc::new(message);
        let stored = Arc::clone(&message);
        let stored = pending(self.act(Need::Room, bytes, move |batch| batch.enqueue(&stored, now)));
        Box::pin(async move {
            let (enqueued, receipts) = stored.await?;
            Ok((enqueued, leased(receipts, message, UnixTime::from_millis(now))))
        })
    }

    fn lease(&self, destination: &str, max: usize, lease: Duration, now: ClockReading) -> Pending<Vec<Leased>> {
        let (destination, lease, now) = (destination.to_owned(), millis(lease), self.time(now));
        pending(self.act(Need::Nothing, 0, move |batch| batch.lease(&destination, max, lease, now)))
    }

    fn acknowledge(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        self.settle(&receipt, Ending::Done, now)
    }

    fn retry(&self, receipt: Receipt, delay: Duration, error: &str, now: ClockReading) -> Pending<Settled> {
        self.settle(&receipt, Ending::Retry { delay: millis(delay), error: error.to_owned() }, now)
    }

    fn dead_letter(&self, receipt: Receipt, error: &str, now: ClockReading) -> Pending<Settled> {
        self.settle(&receipt, Ending::Dead { error: error.to_owned() }, now)
    }

    fn give_back(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        self.settle(&receipt, Ending::Unused, now)
    }

    fn requeue(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool> {
        let now = self.time(now);
        pending(self.act(Need::Nothing, 0, move |batch| batch.requeue(delivery.number(), now)))
    }

    fn discard(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool> {
        let now = self.time(now);
        pending(self.act(Need::Nothing, 0, move |batch| batch.discard(delivery.number(), now)))
    }

    fn list(&self, filter: Filter) -> Pending<Vec<Delivery>> {
        pending(self.read(move |db| list(db, filter)))
    }

    fn message(&self, delivery: DeliveryId) -> Pending<Option<StoredMessage>> {
        pending(self.read(move |db| message_of(db, delivery.number())))
    }

    fn expire(&self, keep: Keep, limit: usize, now: ClockReading) -> Pending<usize> {
        let now = self.time(now);
        pending(self.act(Need::Nothing, 0, move |batch| batch.expire_deliveries(keep, limit, now)))
    }

    fn pause(&self, destination: &str, is_paused: bool) -> Pending<bool> {
        let destination = destination.to_owned();
        pending(self.act(Need::Nothing, 0, move |batch| batch.pause(&destination, is_paused)))
    }

    fn paused(&self) -> Pending<Vec<String>> {
        pending(self.read(destinations::paused))
    }

    fn backlog(&self) -> Pending<Vec<Backlog>> {
        pending(self.read(destinations::backlog))
    }

    fn next_due(&self, destination: &str, now: ClockReading) -> Pending<Option<Duration>> {
        let (destination, now) = (destination.to_owned(), self.time(now));
        pending(self.read(move |db| {
            let due = destinations::next_due(db, &destination)?;
            Ok(due.map(|due| Duration::from_millis(due.saturating_sub(now))))
        }))
    }
}

/// The deliveries with these receipts, of a message that was stored at this time.
fn leased(receipts: Vec<Receipt>, message: Arc<NewMessage>, since: UnixTime) -> Vec<Leased> {
    let messages = iter::repeat_n(Arc::unwrap_or_clone(message).message, receipts.len());
    let leased = receipts.into_iter().zip(messages);
    leased.map(|(receipt, message)| Leased { receipt, attempt: 1, since, message }).collect()
}

fn pending<T: Send + 'static>(receiver: oneshot::Receiver<Result<T, Failure>>) -> Pending<T> {
    Box::pin(async move { receiver.await.unwrap_or_else(|_| Err(Failure::closed())).map_err(InboxError::from) })
}
