//! The store, as its callers see it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use crate::pending::Pending;
use crate::room::Room;
use crate::session::Connector;
use crate::settings::Settings;
use crate::stats::{Meter, Stats};
use crate::weakness::Weakness;
use crate::worker::{self, Request};

/// How many claims may wait for the server at once. Each claim is settled at most once, so this limits all calls.
const MAX_CLAIMS: usize = 4_096;

/// Remembers messages in PostgreSQL, and stores them for later delivery: it is a replay store and an inbox.
///
/// All receivers with the same database and the same `search_path` share the ids and the inbox. The store works with any runtime, or
/// without one: a thread of its own does the I/O. Its copies share that thread.
#[derive(Clone)]
pub struct PostgresStore {
    requests: UnboundedSender<Request>,
    claims: Arc<Semaphore>,
    pub(crate) room: Room,
    meter: Arc<Meter>,
    retain: Duration,
}

impl PostgresStore {
    pub(crate) fn start(connector: Connector, settings: Settings) -> io::Result<Self> {
        let (retain, meter) = (settings.retain, connector.shared_meter());
        let requests = worker::start(connector, settings)?;
        Ok(Self { requests, claims: Arc::new(Semaphore::new(MAX_CLAIMS)), room: Room::default(), meter, retain })
    }

    /// Creates the tables, or brings tables of an older version up to date. Several processes may do so at once.
    pub fn migrate(&self) -> Pending<()> {
        let (reply, pending) = Pending::new();
        self.send(Request::Migrate { reply });
        pending
    }

    /// Checks the version of the tables, and asks the server for settings with which it can forget ids early. Call it at
    /// the start of the program and log what it returns. It fails if the server cannot be reached, or if the tables are
    /// missing or of another version.
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
        let claims = MAX_CLAIMS.saturating_sub(self.claims.available_permits());
        self.meter.read(claims.saturating_add(self.room.taken()))
    }

    /// Without the worker, the reply is dropped, and the caller gets an error.
    pub(crate) fn send(&self, request: Request) {
        let _ = self.requests.send(request);
    }
}

impl ReplayStore for PostgresStore {
    type Claiming = Pending<Claim>;
    type Confirming = Pending<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, _: ClockReading) -> Self::Claiming {
        let Ok(permit) = Arc::clone(&self.claims).try_acquire_owned() else {
            return Pending::failed(StoreError::unavailable("too many claims are waiting for PostgreSQL"));
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

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("retain", &self.retain).finish_non_exhaustive()
    }
}
