//! The background task that delivers the messages of a route.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign_inbox::{Inbox, InboxError, Keep, Leased, Receipt, Schedule};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::RouteInbox;
use super::circuit::Circuit;
use super::verdict::{Sent, Verdict, retry_after};
use crate::forward::{BackendBody, Forward, Stored};
use crate::lifecycle::Lifecycle;
use crate::metrics::InboxCounts;

/// How often the inbox is asked for deliveries that are due, if none is stored in the meantime.
const POLL: Duration = Duration::from_secs(1);
/// How long the end of a response, and the record of an attempt, may take.
const MARGIN: Duration = Duration::from_secs(5);
/// How many ended deliveries are removed at once.
const EXPIRED: usize = 500;

/// How the deliveries of a route are attempted.
#[derive(Clone, Debug)]
pub struct Attempts {
    /// When they are attempted again.
    pub schedule: Schedule,
    /// The maximum time of an attempt.
    pub timeout: Duration,
    /// How many are attempted at once.
    pub concurrency: usize,
}

/// Delivers the messages of one route. Clones share it.
#[derive(Clone)]
pub struct Worker(Arc<Shared>);

struct Shared {
    inbox: RouteInbox,
    forward: Forward,
    attempts: Attempts,
    clock: Arc<dyn Clock>,
    counts: InboxCounts,
    circuit: Circuit,
}

impl Worker {
    /// Delivers the messages of `inbox` with `forward`.
    pub fn new(
        inbox: RouteInbox,
        forward: Forward,
        attempts: Attempts,
        clock: Arc<dyn Clock>,
        counts: InboxCounts,
    ) -> Self {
        Self(Arc::new(Shared { inbox, forward, attempts, clock, counts, circuit: Circuit::default() }))
    }

    /// Whether both are the same.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Delivers until the process is asked to stop. Attempts run as `tasks`, which finish by themselves.
    pub async fn run(self, lifecycle: Lifecycle, tasks: TaskTracker) {
        let shared = &self.0;
        let slots = Arc::new(Semaphore::new(shared.attempts.concurrency));
        loop {
            shared.inbox.pauses.resumed(&shared.inbox.destination).await;
            let pause = shared.circuit.pause();
            if let Some(pause) = pause {
                sleep(pause).await;
            }
            let Ok(first) = Arc::clone(&slots).acquire_owned().await else { return };
            if lifecycle.is_stopping() {
                return;
            }
            let mut permits = vec![first];
            if pause.is_none() {
                permits.extend(std::iter::from_fn(|| Arc::clone(&slots).try_acquire_owned().ok()));
            }
            match shared.lease(permits.len()).await {
                Ok(leased) if leased.is_empty() => {
                    drop(permits);
                    shared.remove_old().await;
                    let _ = timeout(POLL, shared.inbox.stored.notified()).await;
                }
                Ok(leased) => {
                    for (delivery, permit) in leased.into_iter().zip(permits) {
                        tasks.spawn(Arc::clone(shared).attempt(delivery, pause.is_some(), permit));
                    }
                }
                Err(error) => {
                    let (route, error) = (&*shared.inbox.destination, with_cause(&error));
                    tracing::warn!(route, error, "no deliveries can be leased");
                    drop(permits);
                    sleep(POLL).await;
                }
            }
        }
    }
}

impl Shared {
    async fn lease(&self, max: usize) -> Result<Vec<Leased>, InboxError> {
        let lease = self.attempts.timeout + 2 * MARGIN;
        self.inbox.inbox.lease(&self.inbox.destination, max, lease, self.clock.read()).await
    }

    async fn attempt(self: Arc<Self>, leased: Leased, is_probe: bool, _permit: OwnedSemaphorePermit) {
        let Leased { receipt, attempt, since, message } = leased;
        let id = message.key.message_id().clone();
        let sent = self.send(Stored { message, attempt }).await;
        let now = self.clock.now();
        let elapsed = Duration::from_millis(now.as_millis().saturating_sub(since.as_millis()));
        let verdict = Verdict::of(&sent, attempt, elapsed, &self.attempts.schedule, fastrand::f64());
        self.circuit.record(verdict == Verdict::Done, is_probe);
        self.counts.attempted(verdict.as_str());
        let (route, message_id) = (&*self.inbox.destination, id.as_str());
        if let Verdict::Dead { error } = &verdict {
            tracing::warn!(route, message_id, attempt, error, "a message is a dead letter: its delivery has failed");
        }
        if let Err(error) = self.record(receipt, &verdict).await {
            let error = with_cause(&error);
            tracing::warn!(route, message_id, attempt, error, "the result is not recorded: the message is sent again");
        }
    }

    async fn send(&self, stored: Stored) -> Sent {
        let delivered = timeout(self.attempts.timeout, self.forward.deliver(stored)).await;
        match delivered {
            Err(_) => Sent::TooLong,
            Ok(Err(failure)) => Sent::Failed(failure),
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                // So that the connection can be used again.
                let _ = timeout(MARGIN, drain(body)).await;
                Sent::Response(head.status, retry_after(&head.headers, self.clock.now()))
            }
        }
    }

    async fn record(&self, receipt: Receipt, verdict: &Verdict) -> Result<(), InboxError> {
        let (inbox, now) = (&self.inbox.inbox, self.clock.read());
        match verdict {
            Verdict::Done => inbox.acknowledge(receipt, now),
            Verdict::Retry { delay, error } => inbox.retry(receipt, *delay, error, now),
            Verdict::Dead { error } => inbox.dead_letter(receipt, error, now),
        }
        .await
        .map(drop)
    }

    /// Removes deliveries that ended long ago. An error is reported by the next lease.
    async fn remove_old(&self) {
        while self.inbox.inbox.expire(Keep::default(), EXPIRED, self.clock.read()).await.is_ok_and(|n| n == EXPIRED) {}
    }
}

async fn drain(mut body: BackendBody) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn with_cause(error: &InboxError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
