//! The loop of a worker, and its attempts.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use countersign::UnixTime;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::attempt::{Attempt, AttemptOutcome, Deliver, NextStep};
use super::caught::{Panicked, caught};
use super::lease::{Lease, RECORD};
use super::{Parts, Worker};
use crate::contract::Inbox;
use crate::delivery::Leased;
use crate::error::InboxError;

/// The pause after an error of the inbox.
const ERROR: Duration = Duration::from_secs(1);

impl<D: Deliver> Worker<D> {
    /// Delivers until `stop` completes. Then the attempts in progress have the time `grace`, and those that are not
    /// finished are given back.
    ///
    /// If the future is dropped, its attempts are aborted and given back.
    pub async fn run(self, stop: impl Future<Output = ()>, grace: Duration) {
        let abandon = async { sleep(grace).await };
        self.run_until(stop, abandon).await;
    }

    /// Like [`run`](Self::run), but the attempts in progress have time until `abandon` completes. It is not polled before
    /// `stop` has completed.
    pub async fn run_until(self, stop: impl Future<Output = ()>, abandon: impl Future<Output = ()>) {
        let worker = self.0;
        let (tell, abandoned) = watch::channel(false);
        let mut attempts = JoinSet::new();
        worker.deliver_until(Stop(pin!(stop)), &mut attempts, &abandoned).await;
        // Another worker of the destination may need what this one was told.
        worker.waker.notify_one();
        tokio::select! {
            () = joined(&mut attempts) => {}
            () = abandon => {
                tell.send_replace(true);
                joined(&mut attempts).await;
            }
        }
    }
}

async fn joined(attempts: &mut JoinSet<()>) {
    while attempts.join_next().await.is_some() {}
}

/// The future that stops a worker.
struct Stop<'a, F>(Pin<&'a mut F>);

impl<F: Future<Output = ()>> Stop<'_, F> {
    /// The output of `wait`, or `None` if the worker has to stop first. Then this must not be called again.
    async fn unless<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = &mut self.0 => None,
            output = wait => Some(output),
        }
    }
}

impl<D: Deliver> Parts<D> {
    async fn deliver_until(
        self: &Arc<Self>,
        mut stop: Stop<'_, impl Future<Output = ()>>,
        attempts: &mut JoinSet<()>,
        abandoned: &watch::Receiver<bool>,
    ) {
        loop {
            while attempts.try_join_next().is_some() {}
            self.inbox.remove_old(self.keep, &*self.clock).await;
            let Some(turn) = stop.unless(self.turn()).await else { return };
            // Not cancelled: what it leases would be attempted only after the lease.
            let result = self.lease_and_attempt(turn, attempts, abandoned).await;
            let waited = match result {
                Ok(true) => continue,
                Ok(false) => stop.unless(self.inbox.idle(&self.destination, &self.waker, &*self.clock)).await,
                Err(error) => {
                    let (destination, error) = (&*self.destination, with_cause(&error));
                    tracing::warn!(destination, error, "no deliveries can be leased");
                    stop.unless(sleep(ERROR)).await
                }
            };
            let Some(()) = waited else { return };
        }
    }

    /// Waits until deliveries may be leased.
    async fn turn(&self) -> Turn {
        let mut pauses = self.inbox.pauses();
        loop {
            let mut slots = self.slots(1).await;
            let is_probe = self.circuit.is_open();
            if is_probe {
                // With all slots, nothing else is attempted in the meantime.
                drop(slots);
                slots = self.slots(self.concurrency).await;
                sleep(self.circuit.pause().unwrap_or_default()).await;
            }
            match self.inbox.is_paused(&self.destination, &*self.clock).await {
                Ok(false) => match self.pace.as_ref().map_or(Ok(usize::MAX), |pace| pace.ready(self.clock.instant())) {
                    Ok(max) => return Turn { slots, max, is_probe },
                    Err(wait) => {
                        sleep(wait).await;
                        continue;
                    }
                },
                Ok(true) => {}
                Err(error) => {
                    let (destination, error) = (&*self.destination, with_cause(&error));
                    tracing::warn!(destination, error, "it is not known whether the destination is paused");
                }
            }
            drop(slots);
            self.inbox.remove_old(self.keep, &*self.clock).await;
            pauses.changed().await;
        }
    }

    /// Waits for so many slots.
    async fn slots(&self, count: u32) -> OwnedSemaphorePermit {
        #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
        Arc::clone(&self.slots).acquire_many_owned(count).await.expect("an open semaphore")
    }

    /// Starts as many attempts as there are slots. Returns whether more deliveries may be due.
    async fn lease_and_attempt(
        self: &Arc<Self>,
        turn: Turn,
        attempts: &mut JoinSet<()>,
        abandoned: &watch::Receiver<bool>,
    ) -> Result<bool, InboxError> {
        let Turn { mut slots, max, is_probe } = turn;
        let max = if is_probe {
            1
        } else {
            let free = self.slots.available_permits();
            if let Ok(more) = Arc::clone(&self.slots).try_acquire_many_owned(u32::try_from(free).unwrap_or_default()) {
                slots.merge(more);
            }
            slots.num_permits().min(max)
        };
        let lease = self.timeout + RECORD;
        let leased = self.inbox.lease(&self.destination, max, lease, self.clock.read()).await?;
        let is_full = leased.len() >= max;
        if let Some(pace) = &self.pace {
            pace.started(leased.len(), self.clock.instant());
        }
        for delivery in leased {
            let count = if is_probe { slots.num_permits() } else { 1 };
            let Some(slot) = slots.split(count) else { break };
            attempts.spawn(Arc::clone(self).attempt(delivery, is_probe, abandoned.clone(), slot));
        }
        Ok(is_full)
    }

    async fn attempt(
        self: Arc<Self>,
        leased: Leased,
        is_probe: bool,
        mut abandoned: watch::Receiver<bool>,
        _slot: OwnedSemaphorePermit,
    ) {
        let Leased { receipt, attempt: number, since, message } = leased;
        let id = message.key.message_id().clone();
        let (destination, message_id) = (&*self.destination, id.as_str());
        let lease = Lease::new(self.inbox.clone(), Arc::clone(&self.clock), receipt);
        let attempt = Attempt { delivery: lease.delivery(), number, since, message };
        let outcome = tokio::select! {
            outcome = timeout(self.timeout, caught(async { self.deliver.deliver(attempt).await })) => Some(outcome),
            () = async { drop(abandoned.wait_for(|abandoned| *abandoned).await) } => None,
        };
        let outcome = match outcome {
            Some(Ok(Ok(outcome))) => outcome,
            Some(Ok(Err(Panicked))) => AttemptOutcome::failed("the handler panicked"),
            Some(Err(_)) => AttemptOutcome::failed("the attempt took too long"),
            None => {
                if let Err(error) = lease.give_back().await {
                    let error = with_cause(&error);
                    tracing::warn!(destination, message_id, error, "a delivery was not given back: it is due later");
                }
                return;
            }
        };
        self.circuit.record(!matches!(outcome, AttemptOutcome::Failed { .. }), is_probe);
        let step = self.after(outcome, number, since);
        (self.hook)(&step);
        if let NextStep::Dead { error } = &step {
            tracing::warn!(
                destination,
                message_id,
                attempt = number,
                error,
                "a message is a dead letter: its delivery has failed"
            );
        }
        if let Err(error) = lease.record(&step).await {
            let error = with_cause(&error);
            tracing::warn!(
                destination,
                message_id,
                attempt = number,
                error,
                "the result is not recorded: the message is sent again"
            );
        }
        if matches!(step, NextStep::Retry { .. }) {
            // It may be due before the worker would look again.
            self.waker.notify_one();
        }
    }

    /// What follows from an attempt that ends now.
    fn after(&self, outcome: AttemptOutcome, attempt: u32, since: UnixTime) -> NextStep {
        let elapsed = Duration::from_millis(self.clock.now().as_millis().saturating_sub(since.as_millis()));
        NextStep::after(outcome, attempt, elapsed, &self.schedule, fastrand::f64())
    }
}

/// The right to start attempts.
struct Turn {
    slots: OwnedSemaphorePermit,
    /// How many attempts the pace allows.
    max: usize,
    /// Whether the destination keeps failing. Then one attempt gets all slots.
    is_probe: bool,
}

fn with_cause(error: &InboxError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
