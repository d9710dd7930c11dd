//! The loop of a worker.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::Worker;
use super::attempt::Deliver;
use super::seat::Seat;
use super::turn::Turn;
use crate::contract::Inbox;
use crate::error::InboxError;

/// The pause after an error of the inbox.
const ERROR: Duration = Duration::from_secs(1);
/// How often the inbox is asked at least while deliveries are handed over.
const AGAIN: Duration = Duration::from_secs(1);

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
        let (tell, abandoned) = watch::channel(false);
        let mut run = Run { seat: Seat::take(self.0, abandoned), was_handed: false };
        run.until(Stop(pin!(stop)), Look::now(pin!(sleep(AGAIN)))).await;
        run.seat.leave();
        // Each attempt in progress has a receiver.
        tokio::select! {
            () = tell.closed() => {}
            () = abandon => {
                tell.send_replace(true);
                tell.closed().await;
            }
        }
    }
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

/// When the inbox is asked for due deliveries.
struct Look<'a> {
    is_due: bool,
    timer: Pin<&'a mut Sleep>,
    /// Whether the timer is that of the next delivery.
    is_exact: bool,
}

impl<'a> Look<'a> {
    fn now(timer: Pin<&'a mut Sleep>) -> Self {
        Self { is_due: true, timer, is_exact: false }
    }

    /// All that was due is leased, or more is due now.
    fn asked(&mut self, is_due: bool) {
        self.is_due = is_due;
        self.set(AGAIN, false);
    }

    fn set(&mut self, wait: Duration, is_exact: bool) {
        self.timer.set(sleep(wait));
        self.is_exact = is_exact;
    }
}

struct Run<D: Deliver> {
    seat: Seat<D>,
    /// Whether the last attempts were of deliveries that were handed over.
    was_handed: bool,
}

impl<D: Deliver> Run<D> {
    async fn until(&mut self, mut stop: Stop<'_, impl Future<Output = ()>>, mut look: Look<'_>) {
        let worker = Arc::clone(&self.seat.worker);
        loop {
            worker.inbox.remove_old(worker.keep, &*worker.clock).await;
            if !(look.is_due || self.seat.desk.has_called()) {
                let Some(()) = stop.unless(self.idle(&mut look)).await else { return };
                continue;
            }
            let Some(turn) = stop.unless(worker.turn(|| self.seat.clear())).await else { return };
            self.look_around(&mut look, std::future::ready(())).await;
            self.was_handed = self.has_handed(look.is_due);
            if self.was_handed {
                // Then nothing prevents their attempts, except for the slots of this turn.
                drop(turn);
                self.seat.desk.start_waiting();
            } else if look.is_due {
                // Not cancelled: what it leases would be attempted only after the lease.
                if let Err(error) = self.lease_and_attempt(turn, &mut look).await {
                    let (destination, error) = (&*worker.destination, error.with_cause());
                    tracing::warn!(destination, error, "no deliveries can be leased");
                    let Some(()) = stop.unless(sleep(ERROR)).await else { return };
                }
            }
        }
    }

    /// Sleeps until the next delivery is due, the worker is called, or another process may have stored a message.
    async fn idle(&self, look: &mut Look<'_>) {
        // The last turn may have had the slots that they need.
        self.seat.desk.start_waiting();
        if !look.is_exact {
            let worker = &self.seat.worker;
            look.set(worker.inbox.next_look(&worker.destination, &*worker.clock).await, true);
        }
        self.look_around(look, self.seat.desk.called()).await;
    }

    /// Waits until deliveries may be due in the inbox, or `other` completes.
    async fn look_around(&self, look: &mut Look<'_>, other: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.seat.worker.waker.notified() => look.is_due = true,
            () = &mut look.timer, if !look.is_due => look.is_due = true,
            () = other => {}
        }
    }

    /// Whether deliveries that were handed over are next. They take turns with those that are due in the inbox.
    fn has_handed(&self, is_due: bool) -> bool {
        !(self.seat.desk.is_empty() || self.was_handed && is_due)
    }

    /// Starts as many attempts of due deliveries as there are slots.
    async fn lease_and_attempt(&mut self, mut turn: Turn, look: &mut Look<'_>) -> Result<(), InboxError> {
        let worker = &self.seat.worker;
        let max = worker.fill(&mut turn);
        let now = worker.clock.read();
        let leased = worker.inbox.lease(&worker.destination, max, worker.lease(), now).await?;
        if let Some(pace) = &worker.pace {
            pace.started(leased.len(), worker.clock.instant());
        }
        look.asked(leased.len() >= max);
        if look.is_due {
            // New deliveries are not to overtake those that are due.
            self.seat.desk.close();
        } else if !turn.is_probe && worker.pace.is_none() {
            self.seat.desk.open();
        }
        for delivery in leased {
            let Some(slot) = turn.slot() else { break };
            self.seat.start(delivery, slot);
        }
        Ok(())
    }
}
