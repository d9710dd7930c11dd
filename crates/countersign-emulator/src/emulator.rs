//! The running emulator: a listener for the API, and a task that sends what is due.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign::sign::TokenSignerError;
use countersign::{SystemClock, UnixTime};
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Uri};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::api;
use crate::clock::EmulatedClock;
use crate::config::{Config, ConfigError};
use crate::delivery::{Answer, Attempt};
use crate::jobs;
use crate::keys::PublishedKeys;
use crate::outbox::{self, Totals};
use crate::report::Report;
use crate::sender::{Response, Sender};
use crate::world::{Outgoing, Rules, Step, World};

/// The most bytes that the head of a request may have.
const MAX_HEAD: usize = 64 << 10;
/// How long a head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How many connections the API has at a time; more wait until one ends.
const MAX_CONNECTIONS: usize = 1024;

/// How many jobs are kept, with those that run.
const MAX_JOBS: usize = 10_000;
/// How many bytes the bodies of deliveries may take, and how many the jobs.
const MAX_BYTES: usize = 64 << 20;

/// As much of an answer that is no success is kept, in characters.
const MAX_SAID: usize = 200;

/// Is told of every attempt once it has ended. It is called where attempts are made: it is to be quick.
pub type Observer = Arc<dyn Fn(&Report) + Send + Sync>;

/// The Gemini side of webhooks, on an address of this machine.
///
/// ```
/// use countersign_emulator::{Config, Emulator};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config { listen: "127.0.0.1:0".parse()?, ..Config::default() };
/// let emulator = Emulator::start(config, None).await?;
/// println!("base URL for an SDK: {}", emulator.base_url());
/// emulator.stop().await;
/// # Ok(())
/// # }
/// ```
pub struct Emulator {
    base_url: String,
    seed: u64,
    webhooks: Vec<(Uri, Zeroizing<String>)>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: [JoinHandle<()>; 2],
}

/// Why an emulator did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is of no use.
    Config(ConfigError),
    /// The address cannot be listened on.
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// No keys could be made.
    Keys(TokenSignerError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Bind { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Keys(_) => f.write_str("no RSA key can be made: the system gives no random bytes"),
        }
    }
}

impl std::error::Error for StartError {}

impl Emulator {
    /// Starts an emulator, which runs until it is stopped or dropped.
    pub async fn start(config: Config, observer: Option<Observer>) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        let bind = |error| StartError::Bind { address: config.listen, error };
        let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let base_url = format!("http://{address}");
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));

        let mut rng = fastrand::Rng::with_seed(seed);
        let keys = PublishedKeys::generate(1, &mut rng).map_err(StartError::Keys)?;
        let mut world = World::new(rules(&config, &base_url), keys, config.faults, rng);
        let clock = EmulatedClock::new(SystemClock, config.time_scale);
        let register = |uri: Uri| (uri.clone(), world.register(Config::API_KEY, uri, clock.now()));
        let webhooks = config.webhooks.into_iter().map(register).collect();
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            clock,
            news: Notify::new(),
            base_url: base_url.clone(),
            seed,
            goes_by_any_name: config.danger_listen_beyond_loopback,
        });
        let stop = CancellationToken::new();
        let sender = Sender::new(config.timeout, config.concurrency);
        let serving = serve(listener, Arc::clone(&shared), stop.clone());
        let sending = send(Arc::clone(&shared), sender, config.concurrency, observer, stop.clone());
        Ok(Self { base_url, seed, webhooks, shared, stop, tasks: [tokio::spawn(serving), tokio::spawn(sending)] })
    }

    /// What an SDK takes as its base URL.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where the keys of dynamic webhooks are published.
    pub fn jwks_url(&self) -> String {
        format!("{}{}", self.base_url, api::JWKS_PATH)
    }

    /// What chance is made of: a run with the same seed makes the same names and secrets.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The webhooks that were registered from the start, each with its secret.
    pub fn webhooks(&self) -> impl Iterator<Item = (&Uri, &str)> {
        self.webhooks.iter().map(|(uri, secret)| (uri, secret.as_str()))
    }

    /// What has happened since the start.
    pub fn totals(&self) -> Totals {
        self.shared.world().0.outbox.totals().clone()
    }

    /// Stops it, and waits until it has. What is in flight is left to the receivers.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in &mut self.tasks {
            // A task ends by itself; if it panicked, that has been said.
            let _ = task.await;
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("base_url", &self.base_url).field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn rules(config: &Config, base_url: &str) -> Rules {
    Rules {
        base_url: base_url.into(),
        schedule: config.schedule,
        job_time: config.job_time,
        dynamic: config.dynamic,
        audience: config.audience.clone(),
        disable_after: config.disable_after,
        jobs: jobs::Limits { jobs: MAX_JOBS, bytes: MAX_BYTES },
        outbox: outbox::Limits {
            open: config.max_open_deliveries,
            ended: config.keep_ended_deliveries,
            bytes: MAX_BYTES,
        },
    }
}

/// What the API and the sending task share.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: EmulatedClock<SystemClock>,
    /// Something was done that may make something due.
    pub(crate) news: Notify,
    pub(crate) base_url: String,
    pub(crate) seed: u64,
    /// Whoever listens beyond this machine is reached under names that nobody here knows.
    pub(crate) goes_by_any_name: bool,
}

impl Shared {
    /// The world as it is now. Not to be held across an await.
    pub(crate) fn world(&self) -> (MutexGuard<'_, World>, UnixTime) {
        // A panic elsewhere leaves nothing half-done that matters to an emulator.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        world.pass(now);
        (world, now)
    }

    async fn next(&self) -> Outgoing {
        loop {
            // Before the look, so that nothing new is missed in between.
            let news = self.news.notified();
            let step = {
                let (mut world, now) = self.world();
                world.next(now)
            };
            match step {
                Step::Send(outgoing) => return *outgoing,
                Step::Wait(until) => {
                    let _ = tokio::time::timeout(self.clock.until(until), news).await;
                }
                Step::Idle => news.await,
            }
        }
    }
}

/// Sends what is due, so many at a time.
async fn send(
    shared: Arc<Shared>,
    sender: Sender,
    concurrency: usize,
    observer: Option<Observer>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(concurrency));
    let sending = async {
        // A semaphore that nobody closes always gives a place.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let outgoing = shared.next().await;
            let (shared, sender, observer) = (Arc::clone(&shared), sender.clone(), observer.clone());
            tokio::spawn(async move {
                let number = outgoing.number;
                let attempt = attempt(&shared, &sender, outgoing).await;
                let report = {
                    let (mut world, now) = shared.world();
                    world.settle(number, attempt, now)
                };
                shared.news.notify_one();
                drop(place);
                if let (Some(observer), Some(report)) = (observer, report) {
                    observer(&report);
                }
            });
        }
    };
    tokio::select! {
        () = sending => {}
        () = stop.cancelled() => {}
    }
}

async fn attempt(shared: &Shared, sender: &Sender, outgoing: Outgoing) -> Attempt {
    let Outgoing { number: _, id, uri, body, signing, fault } = outgoing;
    let (at, signed_at, began) = (shared.clock.now(), shared.clock.machine_now(), shared.clock.instant());
    let (scheme, keys) = (signing.scheme(), signing.keys());
    let (timestamp, answer) = match signing.sign(&id, signed_at, &body, fault) {
        Err(why) => (signed_at.as_secs(), Answer::None(format!("not sent, for it cannot be signed: {why}"))),
        Ok(signed) => {
            let mut headers = HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (USER_AGENT, HeaderValue::from_static(concat!("countersign-emulator/", env!("CARGO_PKG_VERSION")))),
            ]);
            headers.extend(signed.headers);
            (signed.timestamp, answer(sender.post(uri, headers, signed.body).await, signed_at))
        }
    };
    let latency = shared.clock.instant().saturating_duration_since(began);
    Attempt { at, timestamp, scheme, keys, fault, answer, latency }
}

fn answer(response: Result<Response, String>, now: UnixTime) -> Answer {
    match response {
        Err(why) => Answer::None(why),
        Ok(response) => Answer::Status {
            status: response.status.as_u16(),
            retry_after: retry_after(&response.headers, now),
            said: response.body.filter(|_| !response.status.is_success()).and_then(|body| said(&body)),
        },
    }
}

/// The reason that a problem document gives (RFC 9457), or else how the answer begins.
fn said(body: &[u8]) -> Option<String> {
    let problem = serde_json::from_slice::<serde_json::Value>(body).ok();
    let member = |name: &str| problem.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let text = match (member("code"), member("detail").or_else(|| member("title"))) {
        (Some(code), Some(detail)) => format!("{code}: {detail}"),
        (code, detail) => code.or(detail).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let beginning: String = words.chars().take(MAX_SAID).collect();
    (!beginning.is_empty()).then_some(beginning)
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let date = UnixTime::from(httpdate::parse_http_date(text).ok()?);
    Some(Duration::from_millis(date.as_millis().saturating_sub(now.as_millis())))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let serving = async {
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end give theirs back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            tokio::spawn(async move {
                let service = service_fn(|request| api::answer(Arc::clone(&shared), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .max_buf_size(MAX_HEAD)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    ended = connection => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "a connection ended early");
                        }
                    }
                    () = stop.cancelled() => {}
                }
                drop(place);
            });
        }
    };
    tokio::select! {
        () = serving => {}
        () = stop.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_its_reason_is_kept_or_its_beginning() {
        assert_eq!(said(br#"{"code":"x","detail":"y"}"#).as_deref(), Some("x: y"));
        assert_eq!(said(br#"{"title":"y"}"#).as_deref(), Some("y"));
        assert_eq!(said(b"<h1>\n  no </h1>").as_deref(), Some("<h1> no </h1>"));
        assert_eq!(said(b" \n"), None);
        assert_eq!(said(&[b'x'; 5000]).map(|said| said.len()), Some(MAX_SAID));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_never_wraps() {
        let now = UnixTime::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, expected) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
