//! The store, as its callers see it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use crate::pending::Pending;
use crate::servers::Connector;
use crate::stats::{Meter, Stats};
use crate::weakness::Weakness;
use crate::worker::{self, Request, Settings};

/// How many claims may wait for the server at once. Each claim is settled at most once, so this limits all calls.
const MAX_CLAIMS: usize = 4_096;

/// Remembers messages in Redis or Valkey.
///
/// All receivers with the same servers and the same [prefix](crate::RedisStoreBuilder::prefix) share the ids. The store works
/// with any runtime, or without one: a thread of its own does the I/O. Its copies share that thread.
#[derive(Clone)]
pub struct RedisStore {
    requests: UnboundedSender<Request>,
    claims: Arc<Semaphore>,
    meter: Arc<Meter>,
    retain: Duration,
}

impl RedisStore {
    pub(crate) fn start(connector: Connector, settings: Settings) -> io::Result<Self> {
        let (retain, meter) = (settings.retain, Arc::<Meter>::default());
        let requests = worker::start(connector, settings, Arc::clone(&meter))?;
        Ok(Self { requests, claims: Arc::new(Semaphore::new(MAX_CLAIMS)), meter, retain })
    }

    /// Asks the server for settings with which it can forget ids early. Call it at the start of the program and log
    /// what it returns. It fails if the server cannot be reached.
    pub fn check(&self) -> Pending<Vec<Weakness>> {
        let (reply, pending) = Pending::new();
        self.send(Request::Check { reply });
        pending
    }

    /// The same store, with a retention of its own for the ids that are confirmed through it. Sources with different
    /// retentions can share a store in this way.
    #[must_use]
    pub fn with_retain(&self, retain: Duration) -> Self {
        Self { retain, ..self.clone() }
    }

    /// Forgets a confirmed id, so that the next delivery of the message is new. Returns whether it was remembered.
    ///
    /// A claim in flight stays: its handler is still at work.
    pub fn forget(&self, key: ReplayKey) -> Pending<bool> {
        let (reply, pending) = Pending::new();
        self.send(Request::Forget { key, reply });
        pending
    }

    /// What the store has counted so far.
    pub fn stats(&self) -> Stats {
        self.meter.read(MAX_CLAIMS.saturating_sub(self.claims.available_permits()))
    }

    /// Without the worker, the reply is dropped, and the caller gets an error.
    fn send(&self, request: Request) {
        let _ = self.requests.send(request);
    }
}

impl ReplayStore for RedisStore {
    type Claiming = Pending<Claim>;
    type Confirming = Pending<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, _: ClockReading) -> Self::Claiming {
        let Ok(permit) = Arc::clone(&self.claims).try_acquire_owned() else {
            return Pending::failed(StoreError::unavailable("too many claims are waiting for Redis"));
        };
        let (reply, pending) = Pending::new();
        self.send(Request::Claim { key, lease, reply, permit });
        pending
    }

    fn confirm(&self, token: ClaimToken, _: ClockReading) -> Self::Confirming {
        let (reply, pending) = Pending::new();
        self.send(Request::Confirm { token, retain: self.retain, reply });
        pending
    }

    fn release(&self, token: ClaimToken) {
        self.send(Request::Release { token });
    }

    fn retain(&self) -> Option<Duration> {
        Some(self.retain)
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("retain", &self.retain).finish_non_exhaustive()
    }
}
