//! The store as an inbox.

use std::rc::Rc;
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::Settled;
use countersign_inbox::{
    Backlog, Delivery, DeliveryId, Enqueued, Filter, Inbox, InboxError, Keep, Leased, NewMessage, Pending, Receipt,
    StoredMessage,
};
use tokio::sync::oneshot;
use tokio_postgres::Client;

use crate::deliveries::{self, read_listed, read_message};
use crate::destinations;
use crate::endings::Ending;
use crate::inbox_worker::InboxWorker;
use crate::removal;
use crate::store::PostgresStore;
use crate::values::millis;
use crate::worker::Request;

type Reply<T> = oneshot::Sender<Result<T, InboxError>>;

impl PostgresStore {
    /// Has the store's thread carry out a call, whether the result is polled or not.
    fn call<T: Send + 'static, F: Future<Output = ()> + 'static>(
        &self,
        work: impl FnOnce(Rc<InboxWorker>, Reply<T>) -> F + Send + 'static,
    ) -> Pending<T> {
        let (reply, result) = oneshot::channel();
        self.send(Request::Inbox(Box::new(|worker| Box::pin(work(worker, reply)))));
        Box::pin(async move {
            result.await.unwrap_or_else(|_| Err(InboxError::unavailable("the thread of the store has ended")))
        })
    }

    fn end(&self, ending: Ending) -> Pending<Settled> {
        self.call(async move |worker, reply| worker.end(ending, |outcome| drop(reply.send(outcome))).await)
    }
}

impl Inbox for PostgresStore {
    fn enqueue_leased(&self, message: NewMessage, _: ClockReading) -> Pending<(Enqueued, Vec<Leased>)> {
        let Some(place) = self.room.take(message.message.body.len()) else {
            let error = InboxError::unavailable("too many messages are waiting for PostgreSQL");
            return Box::pin(std::future::ready(Err(error)));
        };
        self.call(async move |worker, reply| {
            let replied = |outcome| {
                drop(place);
                reply.send(outcome)
            };
            worker.enqueue(message, replied).await;
        })
    }

    fn lease(&self, destination: &str, max: usize, lease: Duration, _: ClockReading) -> Pending<Vec<Leased>> {
        let destination = destination.to_owned();
        self.call(async move |worker, reply| {
            let outcome = worker.lease(&destination, max, lease).await;
            if let Err(Ok(leased)) = reply.send(outcome) {
                worker.give_back(&leased).await;
            }
        })
    }

    fn acknowledge(&self, receipt: Receipt, _: ClockReading) -> Pending<Settled> {
        self.end(Ending::done(&receipt))
    }

    fn retry(&self, receipt: Receipt, delay: Duration, error: &str, _: ClockReading) -> Pending<Settled> {
        self.end(Ending::retry(&receipt, delay, error))
    }

    fn dead_letter(&self, receipt: Receipt, error: &str, _: ClockReading) -> Pending<Settled> {
        self.end(Ending::dead(&receipt, error))
    }

    fn give_back(&self, receipt: Receipt, _: ClockReading) -> Pending<Settled> {
        self.end(Ending::unused(&receipt))
    }

    fn requeue(&self, delivery: DeliveryId, _: ClockReading) -> Pending<bool> {
        self.call(async move |worker, reply| {
            let work = async |client: &mut Client| deliveries::requeue(client, delivery).await;
            let _ = reply.send(worker.slowly(work).await);
        })
    }

    fn discard(&self, delivery: DeliveryId, _: ClockReading) -> Pending<bool> {
        self.call(async move |worker, reply| {
            let work = async |client: &mut Client| removal::discard(client, delivery).await;
            let _ = reply.send(worker.slowly(work).await);
        })
    }

    fn list(&self, filter: Filter) -> Pending<Vec<Delivery>> {
        self.call(async move |worker, reply| {
            let query = async |client: &mut Client| deliveries::list(client, &filter).await;
            let _ = reply.send(worker.rows(query, read_listed).await);
        })
    }

    fn message(&self, delivery: DeliveryId) -> Pending<Option<StoredMessage>> {
        self.call(async move |worker, reply| {
            let query = async |client: &mut Client| deliveries::message(client, delivery).await;
            let _ = reply.send(worker.rows(query, read_message).await.map(|mut found| found.pop()));
        })
    }

    fn expire(&self, keep: Keep, limit: usize, _: ClockReading) -> Pending<usize> {
        let (done_ms, dead_ms) = (millis(keep.done), millis(keep.dead));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.call(async move |worker, reply| {
            let work = async |client: &mut Client| removal::expire(client, done_ms, dead_ms, limit).await;
            let removed = worker.slowly(work).await;
            let _ = reply.send(removed.map(|removed| usize::try_from(removed).unwrap_or_default()));
        })
    }

    fn pause(&self, destination: &str, is_paused: bool) -> Pending<bool> {
        let destination = destination.to_owned();
        self.call(async move |worker, reply| {
            let work = async |client: &mut Client| destinations::pause(client, &destination, is_paused).await;
            let _ = reply.send(worker.slowly(work).await);
        })
    }

    fn paused(&self) -> Pending<Vec<String>> {
        self.call(async move |worker, reply| {
            let _ = reply.send(worker.slowly(async |client: &mut Client| destinations::paused(client).await).await);
        })
    }

    fn backlog(&self) -> Pending<Vec<Backlog>> {
        self.call(async move |worker, reply| {
            let _ = reply.send(worker.slowly(async |client: &mut Client| destinations::backlog(client).await).await);
        })
    }

    fn next_due(&self, destination: &str, _: ClockReading) -> Pending<Option<Duration>> {
        let destination = destination.to_owned();
        self.call(async move |worker, reply| {
            let work = async |client: &mut Client| destinations::next_due(client, &destination).await;
            let _ = reply.send(worker.slowly(work).await);
        })
    }
}
