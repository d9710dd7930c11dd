//! The thread that carries out calls.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use countersign::replay::{Claim, ClaimToken, ReplayKey, Settled, StoreError};
use tokio::runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex, OwnedSemaphorePermit, oneshot};
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::claims::{ClaimOperation, Found};
use crate::inbox_worker::{InboxWorker, Job};
use crate::lane::Lane;
use crate::session::{Connector, Session};
use crate::settings::Settings;
use crate::settlements::Settlement;
use crate::values::{millis, name};
use crate::weakness::{self, Weakness};
use crate::{schema, settlements, upkeep};

/// How long the store tries to carry out a confirmation that its caller no longer waits for. Without it, the message may
/// be handled twice.
const PERSISTENCE: Duration = Duration::from_secs(30);

/// The time limit of a migration. A new version can take its time with large tables.
const MIGRATION: Duration = Duration::from_secs(10 * 60);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(crate) enum Request {
    Claim { key: ReplayKey, lease: Duration, reply: Reply<Claim>, permit: OwnedSemaphorePermit },
    Confirm { token: ClaimToken, retain: Duration, reply: Reply<Settled> },
    Forget { key: ReplayKey, reply: Reply<bool> },
    Release { token: ClaimToken },
    Check { reply: Reply<Vec<Weakness>> },
    Migrate { reply: Reply<()> },
    Inbox(Job),
}

/// Starts the thread. It ends when all senders are dropped and all calls are carried out.
pub(crate) fn start(connector: Connector, settings: Settings) -> io::Result<UnboundedSender<Request>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, requests) = mpsc::unbounded_channel();
    let body = move || LocalSet::new().block_on(&runtime, run(connector, settings, requests));
    thread::Builder::new().name("countersign-postgres".to_owned()).spawn(body)?;
    Ok(sender)
}

async fn run(connector: Connector, settings: Settings, mut requests: UnboundedReceiver<Request>) {
    let longest_ms = Rc::new(Cell::new(millis(settings.retain)));
    let upkeep = spawn_local(upkeep::run(connector.clone(), Rc::clone(&longest_ms)));
    let other = Mutex::new(Session::new(connector.clone()));
    let (claims, settlements) = (Lane::start(&connector), Lane::start(&connector));
    let inbox = Rc::new(InboxWorker::start(&connector, &settings, Rc::clone(&longest_ms)));
    let worker = Rc::new(Worker { connector, settings, claims, settlements, other, longest_ms, inbox });
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => {
                    calls.spawn_local(carry_out(Rc::clone(&worker), request));
                }
                None => break,
            },
            Some(_) = calls.join_next() => {}
        }
    }
    while calls.join_next().await.is_some() {}
    upkeep.abort();
}

async fn carry_out(worker: Rc<Worker>, request: Request) {
    let limit = worker.settings.timeout;
    match request {
        Request::Claim { key, lease, reply, permit } => {
            let outcome = timeout(limit, worker.claim(key, lease)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(worker.claims.late()));
            drop(permit);
            // Nobody waits for this claim, so nobody would settle it.
            if let Err(Ok(Claim::Fresh(token))) = reply.send(outcome) {
                worker.release(&token).await;
            }
        }
        Request::Confirm { token, retain, reply } => {
            let confirming = worker.confirm(&token, retain);
            tokio::pin!(confirming);
            if let Ok(outcome) = timeout(limit, &mut confirming).await {
                let _ = reply.send(outcome);
            } else {
                let _ = reply.send(Err(worker.settlements.late()));
                let _ = timeout(PERSISTENCE, confirming).await;
            }
        }
        Request::Release { token } => worker.release(&token).await,
        Request::Forget { key, reply } => {
            let _ = reply.send(worker.forget(&key).await);
        }
        Request::Check { reply } => {
            let _ = reply.send(worker.check().await);
        }
        Request::Migrate { reply } => {
            let _ = reply.send(worker.migrate().await);
        }
        Request::Inbox(job) => job(Rc::clone(&worker.inbox)).await,
    }
}

struct Worker {
    connector: Connector,
    settings: Settings,
    claims: Lane<ClaimOperation>,
    settlements: Lane<Settlement>,
    /// The connection for everything else.
    other: Mutex<Session>,
    /// The longest time that an id is remembered.
    longest_ms: Rc<Cell<i64>>,
    inbox: Rc<InboxWorker>,
}

impl Worker {
    async fn claim(&self, key: ReplayKey, lease: Duration) -> Result<Claim, StoreError> {
        // 64 random bits, because receivers that share the server do not know each other's numbers.
        let number = getrandom::u64().map_err(|error| StoreError::unavailable(error.to_string()))?;
        let operation = ClaimOperation { key: name(&key), number: number.cast_signed(), lease_ms: millis(lease) };
        Ok(match self.claims.ask(operation).await? {
            Found::Fresh => Claim::Fresh(ClaimToken::new(key, number)),
            Found::InFlight => Claim::InFlight,
            Found::Done => Claim::Done,
        })
    }

    async fn confirm(&self, token: &ClaimToken, retain: Duration) -> Result<Settled, StoreError> {
        let retain = millis(retain);
        self.longest_ms.set(self.longest_ms.get().max(retain));
        let is_recorded = self.settle(token, Some(retain)).await?;
        Ok(if is_recorded { Settled::Recorded } else { Settled::Superseded })
    }

    /// If it fails, the claim ends with its lease.
    async fn release(&self, token: &ClaimToken) {
        let _ = timeout(self.settings.timeout, self.settle(token, None)).await;
    }

    async fn settle(&self, token: &ClaimToken, retain_ms: Option<i64>) -> Result<bool, StoreError> {
        let (key, number) = (name(token.key()), token.number().cast_signed());
        self.settlements.ask(Settlement { key, number, retain_ms }).await
    }

    async fn forget(&self, key: &ReplayKey) -> Result<bool, StoreError> {
        let name = name(key);
        let work = async |client: &mut Client| settlements::forget(client, &name).await;
        Ok(self.other.lock().await.attempt(1, &work).await?)
    }

    async fn check(&self) -> Result<Vec<Weakness>, StoreError> {
        let mut session = self.other.lock().await;
        let work = async |client: &mut Client| Ok((schema::found(client).await?, weakness::ask(client).await?));
        let (found, weaknesses) = session.attempt(1, &work).await?;
        schema::compare(found).map_err(StoreError::unavailable)?;
        let messages = session.attempt(1, &async |client: &mut Client| schema::messages(client).await).await?;
        self.connector.meter().set_messages(messages);
        Ok(weaknesses)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut session = Session::new(self.connector.with_timeout(MIGRATION));
        Ok(session.attempt(1, &async |client: &mut Client| schema::migrate(client).await).await?)
    }
}
