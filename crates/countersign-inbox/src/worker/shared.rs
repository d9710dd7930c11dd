//! An inbox that the tasks of a process share.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use countersign::clock::{Clock, ClockReading};
use countersign::replay::Settled;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::desk::Desk;
use super::hand_over::HandOver;
use crate::backlog::Backlog;
use crate::contract::{Enqueued, Inbox, Pending};
use crate::delivery::{Delivery, DeliveryId, Leased, Receipt};
use crate::error::InboxError;
use crate::filter::{Filter, Keep};
use crate::message::{NewMessage, StoredMessage};

/// The longest time for which an idle worker sleeps, since other processes store messages without notice.
const IDLE: Duration = Duration::from_secs(5);
/// The shortest: what is due right now is leased by then.
const SHORTLY: Duration = Duration::from_millis(2);
/// How old the list of paused destinations may be.
const PAUSES_AGE: Duration = Duration::from_secs(2);
/// How often ended deliveries are removed, and how many at once.
const EXPIRY: Duration = Duration::from_secs(5);
const EXPIRED: usize = 500;

/// An inbox that the tasks of a process share. Clones share it, too.
///
/// It passes all calls to another inbox. In addition, it wakes the worker of a destination when a message for it is
/// stored, and it remembers which destinations are paused. With [`enqueue`](Inbox::enqueue), a worker that has nothing
/// else to do gets the delivery at once: it is leased when it is stored, and its message stays in memory.
#[derive(Clone)]
pub struct SharedInbox(Arc<Shared>);

struct Shared {
    inbox: Arc<dyn Inbox>,
    workers: RwLock<HashMap<String, Destination>>,
    pauses: watch::Sender<Pauses>,
    pauses_read: Timer,
    expired: Timer,
}

/// How the worker of a destination is reached.
#[derive(Default)]
struct Destination {
    waker: Arc<Notify>,
    /// The desk of the worker that started last.
    desk: Option<Arc<Desk>>,
}

/// The paused destinations, as far as they are known.
#[derive(Debug, Default)]
struct Pauses {
    names: Option<BTreeSet<String>>,
    /// Changes when this process pauses or resumes a destination, so that an older list does not undo it.
    version: u64,
}

impl SharedInbox {
    /// Shares an inbox. Use this handle, or a clone of it, for all calls of this process.
    pub fn new(inbox: Arc<dyn Inbox>) -> Self {
        Self(Arc::new(Shared {
            inbox,
            workers: RwLock::default(),
            pauses: watch::Sender::default(),
            pauses_read: Timer::default(),
            expired: Timer::default(),
        }))
    }

    /// Wakes the worker of a destination.
    pub(super) fn waker(&self, destination: &str) -> Arc<Notify> {
        let mut workers = self.0.workers.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&workers.entry(destination.to_owned()).or_default().waker)
    }

    /// Brings new deliveries of a destination to this desk.
    pub(super) fn set_desk(&self, destination: &str, desk: Arc<Desk>) {
        let mut workers = self.0.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers.entry(destination.to_owned()).or_default().desk = Some(desk);
    }

    /// Brings no more to this desk.
    pub(super) fn remove_desk(&self, destination: &str, desk: &Arc<Desk>) {
        let mut workers = self.0.workers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = workers.get_mut(destination) {
            found.desk.take_if(|found| Arc::ptr_eq(found, desk));
        }
    }

    /// Waits until a delivery of a destination may be due, for at most a few seconds: for those that lease deliveries
    /// themselves, without a worker.
    pub async fn may_be_due(&self, destination: &str, clock: &dyn Clock) {
        let waker = self.waker(destination);
        let wait = self.next_look(destination, clock).await;
        let _ = timeout(wait, waker.notified()).await;
    }

    /// The time until the next delivery is due, or another process may have stored a message.
    pub(super) async fn next_look(&self, destination: &str, clock: &dyn Clock) -> Duration {
        let due = self.0.inbox.next_due(destination, clock.read()).await;
        due.ok().flatten().unwrap_or(IDLE).clamp(SHORTLY, IDLE)
    }

    /// Whether a destination is paused, which another process may have done a moment ago.
    pub async fn is_paused(&self, destination: &str, clock: &dyn Clock) -> Result<bool, InboxError> {
        let shared = &*self.0;
        let is_unknown = shared.pauses.borrow().names.is_none();
        if shared.pauses_read.is_due(clock.instant(), PAUSES_AGE) || is_unknown {
            let version = shared.pauses.borrow().version;
            let found: BTreeSet<_> = shared.inbox.paused().await?.into_iter().collect();
            shared.pauses.send_if_modified(|pauses| {
                let is_news = pauses.version == version && pauses.names.as_ref() != Some(&found);
                if is_news {
                    pauses.names = Some(found);
                }
                is_news
            });
        }
        Ok(shared.pauses.borrow().names.as_ref().is_none_or(|names| names.contains(destination)))
    }

    /// Whether it is known, without asking, that a destination is not paused.
    pub(super) fn is_known_to_run(&self, destination: &str, now: Instant) -> bool {
        let shared = &*self.0;
        shared.pauses_read.is_recent(now, PAUSES_AGE)
            && shared.pauses.borrow().names.as_ref().is_some_and(|names| !names.contains(destination))
    }

    /// Tells when the paused destinations may have changed, from now on.
    pub(super) fn pauses(&self) -> PausesChanged {
        PausesChanged(self.0.pauses.subscribe())
    }

    /// Removes a part of the deliveries that ended long ago, if it is time.
    pub(super) async fn remove_old(&self, keep: Keep, clock: &dyn Clock) {
        let now = clock.read();
        if self.0.expired.is_due(now.monotonic, EXPIRY) {
            let removed = self.0.inbox.expire(keep, EXPIRED, now).await;
            if removed.is_ok_and(|removed| removed >= EXPIRED) {
                self.0.expired.reset();
            }
        }
    }

    /// The wakers of workers that have to lease their delivery of this message.
    fn wakers(&self, message: &NewMessage) -> Vec<Arc<Notify>> {
        let workers = self.0.workers.read().unwrap_or_else(PoisonError::into_inner);
        let others = message.deliveries().iter().filter(|delivery| delivery.lease.is_none());
        others.filter_map(|delivery| Some(Arc::clone(&workers.get(&delivery.destination)?.waker))).collect()
    }

    /// The message with the leases that `promise` returns for those of its destinations that have a desk.
    fn with_desks(
        &self,
        message: NewMessage,
        mut promise: impl FnMut(&Arc<Desk>, &Arc<Notify>, usize) -> Option<Duration>,
    ) -> NewMessage {
        let workers = self.0.workers.read().unwrap_or_else(PoisonError::into_inner);
        let bytes = message.message.body.len();
        message.leased(|name| {
            let worker = workers.get(name)?;
            promise(worker.desk.as_ref()?, &worker.waker, bytes)
        })
    }

    fn wake_all(&self) {
        let workers = self.0.workers.read().unwrap_or_else(PoisonError::into_inner);
        for destination in workers.values() {
            destination.waker.notify_one();
        }
    }
}

/// Tells when the paused destinations may have changed.
pub(super) struct PausesChanged(watch::Receiver<Pauses>);

impl PausesChanged {
    pub(super) async fn changed(&mut self) {
        // The sender lives as long as the inbox. Another process changes them without notice.
        let _ = timeout(PAUSES_AGE, self.0.changed()).await;
    }
}

impl fmt::Debug for SharedInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedInbox").field("pauses", &*self.0.pauses.borrow()).finish_non_exhaustive()
    }
}

impl Inbox for SharedInbox {
    fn enqueue_leased(&self, message: NewMessage, now: ClockReading) -> Pending<(Enqueued, Vec<Leased>)> {
        let wakers = self.wakers(&message);
        let stored = self.0.inbox.enqueue_leased(message, now);
        Box::pin(async move {
            let stored = stored.await?;
            if stored.0 == Enqueued::Stored {
                for waker in &wakers {
                    waker.notify_one();
                }
            }
            Ok(stored)
        })
    }

    fn enqueue(&self, message: NewMessage, now: ClockReading) -> Pending<Enqueued> {
        let mut hand_over = HandOver::new(Arc::clone(&self.0.inbox), now);
        let message = self.with_desks(message, |desk, waker, bytes| hand_over.promise(desk, waker, bytes));
        hand_over.after(self.enqueue_leased(message, now))
    }

    fn lease(&self, destination: &str, max: usize, lease: Duration, now: ClockReading) -> Pending<Vec<Leased>> {
        self.0.inbox.lease(destination, max, lease, now)
    }

    fn acknowledge(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        self.0.inbox.acknowledge(receipt, now)
    }

    fn retry(&self, receipt: Receipt, delay: Duration, error: &str, now: ClockReading) -> Pending<Settled> {
        self.0.inbox.retry(receipt, delay, error, now)
    }

    fn dead_letter(&self, receipt: Receipt, error: &str, now: ClockReading) -> Pending<Settled> {
        self.0.inbox.dead_letter(receipt, error, now)
    }

    fn give_back(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        self.0.inbox.give_back(receipt, now)
    }

    fn requeue(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool> {
        let (shared, requeued) = (self.clone(), self.0.inbox.requeue(delivery, now));
        Box::pin(async move {
            let requeued = requeued.await?;
            if requeued {
                shared.wake_all();
            }
            Ok(requeued)
        })
    }

    fn discard(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool> {
        self.0.inbox.discard(delivery, now)
    }

    fn list(&self, filter: Filter) -> Pending<Vec<Delivery>> {
        self.0.inbox.list(filter)
    }

    fn message(&self, delivery: DeliveryId) -> Pending<Option<StoredMessage>> {
        self.0.inbox.message(delivery)
    }

    fn expire(&self, keep: Keep, limit: usize, now: ClockReading) -> Pending<usize> {
        self.0.inbox.expire(keep, limit, now)
    }

    fn pause(&self, destination: &str, is_paused: bool) -> Pending<bool> {
        let (shared, destination) = (self.clone(), destination.to_owned());
        let paused = self.0.inbox.pause(&destination, is_paused);
        Box::pin(async move {
            let has_changed = paused.await?;
            shared.0.pauses.send_modify(|pauses| {
                pauses.version += 1;
                if let Some(names) = &mut pauses.names {
                    if is_paused {
                        names.insert(destination)
                    } else {
                        names.remove(&destination)
                    };
                }
            });
            Ok(has_changed)
        })
    }

    fn paused(&self) -> Pending<Vec<String>> {
        self.0.inbox.paused()
    }

    fn backlog(&self) -> Pending<Vec<Backlog>> {
        self.0.inbox.backlog()
    }

    fn next_due(&self, destination: &str, now: ClockReading) -> Pending<Option<Duration>> {
        self.0.inbox.next_due(destination, now)
    }
}

/// When something was done for the last time. Of all tasks that ask at once, one does it again.
#[derive(Debug, Default)]
struct Timer(Mutex<Option<Instant>>);

impl Timer {
    fn is_due(&self, now: Instant, every: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= every);
        if is_due {
            *last = Some(now);
        }
        is_due
    }

    /// Whether it was done within this time.
    fn is_recent(&self, now: Instant, every: Duration) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| now.saturating_duration_since(last) < every)
    }

    fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
