//! Workers: background tasks that lease the deliveries of a destination, attempt them, and record the result.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use countersign_inbox::Inbox;
//! use countersign_inbox::worker::{Attempt, AttemptOutcome, SharedInbox, Worker};
//!
//! # async fn example(inbox: Arc<dyn Inbox>) {
//! let inbox = SharedInbox::new(inbox);
//! let handle = |attempt: Attempt| async move {
//!     println!("{} arrived, attempt {}", attempt.message.key.message_id(), attempt.number);
//!     AttemptOutcome::Done
//! };
//! let worker = Worker::builder(inbox, "jobs", handle).concurrency(4).build();
//! // Until the future `stop` completes. Then the attempts in progress have ten seconds.
//! let stop = async { /* wait for a signal */ };
//! worker.run(stop, Duration::from_secs(10)).await;
//! # }
//! ```
//!
//! - A failed attempt is repeated as the [`Schedule`] says, or later if the destination asks for that. A delivery that runs
//!   out of time becomes a dead letter.
//! - After ten failures in a row, one delivery at a time tries the destination, with longer and longer pauses of up to a
//!   minute, until one succeeds.
//! - A destination that is [paused](crate::Inbox::pause) gets no new attempts. A pause by another process takes effect
//!   within seconds.
//! - A worker sleeps while nothing is due. What this process stores with the same [`SharedInbox`] is attempted at once, in
//!   the Tokio runtime that stored it, and the worker finds within five seconds what other processes store.
//! - An attempt that is not finished when the worker has to stop, or whose task is aborted, is given back: the
//!   delivery is due at once.

mod attempt;
mod carry_out;
mod caught;
mod circuit;
mod desk;
mod hand_over;
mod lease;
mod pace;
mod run;
mod seat;
mod shared;
mod turn;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use tokio::sync::{Notify, Semaphore};

pub use attempt::{Attempt, AttemptOutcome, Deliver, NextStep};
pub use pace::Pace;
pub use shared::SharedInbox;

use crate::filter::Keep;
use crate::schedule::Schedule;
use attempt::Hook;
use circuit::Circuit;

/// Delivers the messages of one destination. Clones share it.
pub struct Worker<D>(Arc<Parts<D>>);

struct Parts<D> {
    inbox: SharedInbox,
    destination: String,
    deliver: D,
    schedule: Schedule,
    timeout: Duration,
    concurrency: u32,
    pace: Option<Arc<dyn Pace>>,
    keep: Keep,
    clock: Arc<dyn Clock>,
    hook: Hook,
    circuit: Circuit,
    slots: Arc<Semaphore>,
    /// One permit for each attempt whose result is not recorded, so that a slow inbox slows down the attempts.
    records: Arc<Semaphore>,
    /// Is notified when a delivery may be due.
    waker: Arc<Notify>,
}

/// Configures a [`Worker`].
#[must_use]
pub struct WorkerBuilder<D> {
    inbox: SharedInbox,
    destination: String,
    deliver: D,
    schedule: Schedule,
    timeout: Duration,
    concurrency: u32,
    pace: Option<Arc<dyn Pace>>,
    keep: Keep,
    clock: Arc<dyn Clock>,
    hook: Hook,
}

impl<D: Deliver> Worker<D> {
    /// Configures a worker, which delivers the messages for `destination` with `deliver`.
    pub fn builder(inbox: SharedInbox, destination: impl Into<String>, deliver: D) -> WorkerBuilder<D> {
        WorkerBuilder {
            inbox,
            destination: destination.into(),
            deliver,
            schedule: Schedule::default(),
            timeout: Duration::from_secs(60),
            concurrency: 16,
            pace: None,
            keep: Keep::default(),
            clock: Arc::new(SystemClock),
            hook: Arc::new(|_| {}),
        }
    }
}

impl<D> Worker<D> {
    /// Whether both are the same.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The destination.
    pub fn destination(&self) -> &str {
        &self.0.destination
    }

    /// Whether the destination keeps failing, so that one delivery at a time tries it.
    pub fn is_failing(&self) -> bool {
        self.0.circuit.is_open()
    }
}

impl<D> Clone for Worker<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D> fmt::Debug for Worker<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("destination", &self.0.destination).finish_non_exhaustive()
    }
}

impl<D> fmt::Debug for WorkerBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl<D: Deliver> WorkerBuilder<D> {
    /// When failed deliveries are attempted again. Default: after 10 s, then after twice the time before, for 24 h.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// The maximum time of an attempt. Default: 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many deliveries are attempted at once: at least 1. Default: 16.
    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Limits how many attempts start in a time. Default: no limit.
    pub fn pace(mut self, pace: Arc<dyn Pace>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// How long ended deliveries are kept, of all destinations of the inbox. All of its workers need the same. Default:
    /// 7 days if they are done, and 30 days if they are dead letters.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// The clock that all users of the inbox share. Default: the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Calls `hook` after each attempt with what follows from it, before that is recorded.
    pub fn on_attempt(mut self, hook: impl Fn(&NextStep) + Send + Sync + 'static) -> Self {
        self.hook = Arc::new(hook);
        self
    }

    /// The worker, which does nothing until it [runs](Worker::run).
    pub fn build(self) -> Worker<D> {
        let Self { inbox, destination, deliver, schedule, timeout, concurrency, pace, keep, clock, hook } = self;
        let concurrency = concurrency.clamp(1, MAX_CONCURRENCY);
        let permits = |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)));
        let (slots, records) = (permits(concurrency), permits(RECORDS * concurrency));
        let (waker, circuit) = (inbox.waker(&destination), Circuit::default());
        Worker(Arc::new(Parts {
            inbox,
            destination,
            deliver,
            schedule,
            timeout,
            concurrency,
            pace,
            keep,
            clock,
            hook,
            circuit,
            slots,
            records,
            waker,
        }))
    }
}

/// The largest number of deliveries that are attempted at once, each with its body in memory.
const MAX_CONCURRENCY: u32 = 10_000;
/// How many results may be waiting to be recorded for each delivery that is attempted at once.
const RECORDS: u32 = 16;
