//! The part of the store's thread that serves the inbox.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use countersign::replay::{Settled, StoreError};
use countersign_inbox::{Enqueued, InboxError, Leased, NewMessage};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::{Client, Error};

use crate::deliveries::{self, Rows, read_leased};
use crate::endings::Ending;
use crate::enqueue::{EnqueueOperation, Outcome};
use crate::lane::Lane;
use crate::session::{Connector, Session};
use crate::settings::Settings;
use crate::values::millis;

/// How long the store tries to record the result of an attempt. Without it, the message is delivered twice.
const PERSISTENCE: Duration = Duration::from_secs(30);
/// The time limit of lists and of removals.
const SLOW: Duration = Duration::from_secs(10);

/// The result of an enqueue, with the deliveries that are leased.
pub(crate) type Stored = (Enqueued, Vec<Leased>);

fn outcome_of(outcome: Result<Outcome, StoreError>, new: &NewMessage) -> Result<Stored, InboxError> {
    let (enqueued, first) = outcome?.ok_or(InboxError::Full)?;
    Ok((enqueued, first.into_iter().map(|first| first.into_leased(&new.message)).collect()))
}

/// A call of the inbox, carried out by the store's thread.
pub(crate) type Job = Box<dyn FnOnce(Rc<InboxWorker>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

pub(crate) struct InboxWorker {
    messages: Lane<EnqueueOperation>,
    endings: Lane<Ending>,
    leases: Mutex<Session>,
    slow: Mutex<Session>,
    limit: Duration,
    max_messages: i64,
    /// The longest time that an id is remembered.
    longest_ms: Rc<Cell<i64>>,
}

impl InboxWorker {
    pub(crate) fn start(connector: &Connector, settings: &Settings, longest_ms: Rc<Cell<i64>>) -> Self {
        Self {
            messages: Lane::start(connector),
            endings: Lane::start(connector),
            leases: Mutex::new(Session::new(connector.clone())),
            slow: Mutex::new(Session::new(connector.with_timeout(settings.timeout.max(SLOW)))),
            limit: settings.timeout,
            max_messages: i64::try_from(settings.max_messages).unwrap_or(i64::MAX),
            longest_ms,
        }
    }

    /// Stores a message. After the time limit, `reply` gets an error, and deliveries that are leased after that are given
    /// back, as are those that `reply` returns.
    pub(crate) async fn enqueue(
        &self,
        new: NewMessage,
        reply: impl FnOnce(Result<Stored, InboxError>) -> Result<(), Result<Stored, InboxError>>,
    ) {
        self.longest_ms.set(self.longest_ms.get().max(millis(new.retain)));
        let number = match getrandom::u64() {
            Ok(number) => number.cast_signed(),
            Err(error) => return drop(reply(Err(InboxError::unavailable(error.to_string())))),
        };
        let new = Arc::new(new);
        let asked = self.messages.ask(EnqueueOperation::new(Arc::clone(&new), number, self.max_messages));
        tokio::pin!(asked);
        let not_expected = if let Ok(outcome) = timeout(self.limit, &mut asked).await {
            reply(outcome_of(outcome, &new)).err().and_then(Result::ok)
        } else {
            let _ = reply(Err(self.messages.late().into()));
            if new.deliveries().iter().all(|delivery| delivery.lease.is_none()) {
                return;
            }
            timeout(self.limit, asked).await.ok().and_then(|outcome| outcome_of(outcome, &new).ok())
        };
        let (_, leased) = not_expected.unwrap_or((Enqueued::Duplicate, Vec::new()));
        self.give_back(&leased).await;
    }

    pub(crate) async fn lease(
        &self,
        destination: &str,
        max: usize,
        lease: Duration,
    ) -> Result<Vec<Leased>, InboxError> {
        let work = async |client: &mut Client| deliveries::lease(client, destination, max, millis(lease)).await;
        let rows = self.leases.lock().await.attempt(max, &work).await.map_err(StoreError::from)?;
        rows.iter().map(read_leased).collect()
    }

    /// Gives deliveries back, because nobody waits for their leases. If it fails, they are due when these expire.
    pub(crate) async fn give_back(&self, leased: &[Leased]) {
        for one in leased {
            let _ = timeout(self.limit, self.endings.ask(Ending::unused(&one.receipt))).await;
        }
    }

    /// Records the result of an attempt. After the time limit, `reply` gets an error, and this goes on.
    pub(crate) async fn end(&self, ending: Ending, reply: impl FnOnce(Result<Settled, InboxError>)) {
        let ending = self.endings.ask(ending);
        tokio::pin!(ending);
        if let Ok(outcome) = timeout(self.limit, &mut ending).await {
            let settled = |is_recorded| if is_recorded { Settled::Recorded } else { Settled::Superseded };
            reply(outcome.map(settled).map_err(InboxError::from));
        } else {
            reply(Err(self.endings.late().into()));
            let _ = timeout(PERSISTENCE, ending).await;
        }
    }

    /// Carries out a query or a transaction that is neither frequent nor part of a delivery.
    pub(crate) async fn slowly<T>(&self, work: impl AsyncFn(&mut Client) -> Result<T, Error>) -> Result<T, InboxError> {
        Ok(self.slow.lock().await.attempt(1, &work).await.map_err(StoreError::from)?)
    }

    /// The rows of a query, each of them read.
    pub(crate) async fn rows<T>(
        &self,
        query: impl AsyncFn(&mut Client) -> Result<Rows, Error>,
        read: impl Fn(&tokio_postgres::Row) -> Result<T, InboxError>,
    ) -> Result<Vec<T>, InboxError> {
        self.slowly(query).await?.iter().map(read).collect()
    }
}
