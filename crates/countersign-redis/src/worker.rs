//! The thread that carries out calls.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::replay::{Claim, ClaimToken, ReplayKey, Settled, StoreError, StoreErrorKind};
use redis::{RedisError, RedisResult, RetryMethod};
use tokio::runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::fill;
use crate::script::{Found, Scripts};
use crate::servers::{Connector, Link};
use crate::stats::Meter;
use crate::weakness::{self, Weakness};

/// How long the store tries to carry out a confirmation that its caller no longer waits for. Without it, the message may
/// be handled twice.
const PERSISTENCE: Duration = Duration::from_secs(30);
/// The pause before a call is repeated.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) prefix: String,
    pub(crate) retain: Duration,
    pub(crate) timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let retain = Duration::from_secs(25 * 60 * 60);
        Self { prefix: "countersign".to_owned(), retain, timeout: Duration::from_secs(1) }
    }
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(crate) enum Request {
    Claim { key: ReplayKey, lease: Duration, reply: Reply<Claim>, permit: OwnedSemaphorePermit },
    Confirm { token: ClaimToken, retain: Duration, reply: Reply<Settled> },
    Forget { key: ReplayKey, reply: Reply<bool> },
    Release { token: ClaimToken },
    Check { reply: Reply<Vec<Weakness>> },
}

/// Starts the thread. It ends when all senders are dropped and all calls are carried out.
pub(crate) fn start(
    connector: Connector,
    settings: Settings,
    meter: Arc<Meter>,
) -> io::Result<UnboundedSender<Request>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, requests) = mpsc::unbounded_channel();
    let connection = Connection::new(connector, settings.timeout);
    let worker = Worker { connection, scripts: Scripts::new(), settings, meter };
    thread::Builder::new()
        .name("countersign-redis".to_owned())
        .spawn(move || LocalSet::new().block_on(&runtime, run(worker, requests)))?;
    Ok(sender)
}

async fn run(worker: Worker, mut requests: UnboundedReceiver<Request>) {
    let worker = Rc::new(worker);
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
}

async fn carry_out(worker: Rc<Worker>, request: Request) {
    match request {
        Request::Claim { key, lease, reply, permit } => {
            let outcome = worker.claim(key, lease).await;
            drop(permit);
            // Nobody waits for this claim, so nobody would settle it.
            if let Err(Ok(Claim::Fresh(token))) = reply.send(outcome) {
                worker.release(&token).await;
            }
        }
        Request::Confirm { token, retain, reply } => {
            let outcome = worker.confirm(&token, retain, worker.settings.timeout).await;
            let is_settled = outcome.is_ok();
            let _ = reply.send(outcome);
            if !is_settled {
                let _ = worker.confirm(&token, retain, PERSISTENCE).await;
            }
        }
        Request::Release { token } => worker.release(&token).await,
        Request::Forget { key, reply } => {
            let _ = reply.send(worker.forget(&key).await);
        }
        Request::Check { reply } => {
            let _ = reply.send(worker.check().await);
        }
    }
}

struct Worker {
    connection: Connection,
    scripts: Scripts,
    settings: Settings,
    meter: Arc<Meter>,
}

impl Worker {
    async fn claim(&self, key: ReplayKey, lease: Duration) -> Result<Claim, StoreError> {
        // 64 random bits, because receivers that share the server do not know each other's numbers.
        let number = getrandom::u64().map_err(|error| StoreError::unavailable(error.to_string()))?;
        let (name, lease) = (self.name(&key), millis(lease));
        let call = async |mut link: Link| self.scripts.claim(&mut link, &name, number, lease).await;
        let found = self.call(self.settings.timeout, call).await;
        match &found {
            Err(error) if error.kind() == StoreErrorKind::Full => self.meter.set_full(true),
            Ok(Found::Fresh) => self.meter.set_full(false),
            _ => {}
        }
        Ok(match found? {
            Found::Fresh => Claim::Fresh(ClaimToken::new(key, number)),
            Found::InFlight => Claim::InFlight,
            Found::Done => Claim::Done,
        })
    }

    async fn confirm(&self, token: &ClaimToken, retain: Duration, limit: Duration) -> Result<Settled, StoreError> {
        let (name, retain) = (self.name(token.key()), millis(retain));
        let call = async |mut link: Link| self.scripts.confirm(&mut link, &name, token.number(), retain).await;
        let is_recorded = self.call(limit, call).await?;
        Ok(if is_recorded { Settled::Recorded } else { Settled::Superseded })
    }

    /// If it fails, the claim ends with its lease.
    async fn release(&self, token: &ClaimToken) {
        let name = self.name(token.key());
        let call = async |mut link: Link| self.scripts.release(&mut link, &name, token.number()).await;
        let _ = self.call(self.settings.timeout, call).await;
    }

    async fn forget(&self, key: &ReplayKey) -> Result<bool, StoreError> {
        let name = self.name(key);
        self.call(self.settings.timeout, async |mut link: Link| self.scripts.forget(&mut link, &name).await).await
    }

    async fn check(&self) -> Result<Vec<Weakness>, StoreError> {
        let ask = async |mut link: Link| Ok((weakness::ask(&mut link).await?, fill::ask(&mut link).await?));
        let (weaknesses, fill) = self.call(self.settings.timeout, ask).await?;
        self.meter.set_fill(fill);
        Ok(weaknesses)
    }

    /// Source names have no spaces, so that no two keys have the same name.
    fn name(&self, key: &ReplayKey) -> String {
        format!("{}:{} {}", self.settings.prefix, key.source(), key.message_id())
    }

    /// Repeats a call until it succeeds, until a repetition is of no use, or until the time is over.
    async fn call<T>(&self, limit: Duration, call: impl AsyncFn(Link) -> RedisResult<T>) -> Result<T, StoreError> {
        let mut last = None;
        let attempts = async {
            loop {
                match self.attempt(&call).await {
                    Err(error) if can_be_repeated(&error) => last = Some(error),
                    outcome => return outcome,
                }
                sleep(PAUSE).await;
            }
        };
        match timeout(limit, attempts).await {
            Ok(outcome) => outcome.map_err(store_error),
            Err(_) => Err(last.map_or_else(StoreError::timed_out, store_error)),
        }
    }

    async fn attempt<T>(&self, call: &impl AsyncFn(Link) -> RedisResult<T>) -> RedisResult<T> {
        let start = SystemClock.instant();
        let outcome = self.attempt_once(call).await;
        let busy = SystemClock.instant().saturating_duration_since(start);
        let is_failing = outcome.as_ref().is_err_and(|error| !is_out_of_memory(error));
        self.meter.count(outcome.is_ok(), is_failing, busy);
        outcome
    }

    async fn attempt_once<T>(&self, call: &impl AsyncFn(Link) -> RedisResult<T>) -> RedisResult<T> {
        let (link, generation) = self.connection.get().await?;
        let outcome = timeout(self.settings.timeout, call(link)).await;
        let is_lost = match &outcome {
            Err(_) => true,
            Ok(Err(error)) => can_be_repeated(error),
            Ok(Ok(_)) => false,
        };
        if is_lost {
            self.connection.lose(generation).await;
        }
        outcome.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }
}

/// All errors of the connection, and those of a server that starts, that is no longer the master, or whose cluster
/// changes.
fn can_be_repeated(error: &RedisError) -> bool {
    !matches!(error.retry_method(), RetryMethod::NoRetry)
}

fn is_out_of_memory(error: &RedisError) -> bool {
    error.code() == Some("OOM")
}

fn store_error(error: RedisError) -> StoreError {
    if is_out_of_memory(&error) {
        StoreError::full()
    } else if error.is_timeout() {
        StoreError::timed_out()
    } else {
        StoreError::unavailable(error)
    }
}

/// Redis has no expiry of zero, and its times are signed.
fn millis(duration: Duration) -> u64 {
    const CENTURY: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;
    u64::try_from(duration.as_millis()).unwrap_or(CENTURY).clamp(1, CENTURY)
}
