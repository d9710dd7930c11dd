//! The running emulator: the API's listener, and the task that sends deliveries.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use countersign::clock::SystemClock;
use countersign::sign::TokenSignerError;
use http::Uri;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::api;
use crate::clock::EmulatedClock;
use crate::config::{Config, ConfigError};
use crate::dispatch;
use crate::jobs;
use crate::keys::PublishedKeys;
use crate::listener;
use crate::outbox::{self, Totals};
use crate::report::Observer;
use crate::shared::{INSPECTOR_PATH, JWKS_PATH, Shared};
use crate::world::{Rules, World};

/// The maximum number of jobs, running and ended.
const MAX_JOBS: usize = 10_000;
/// The maximum number of connections at a time; further ones wait.
const MAX_CONNECTIONS: usize = 1024;
/// The maximum number of response bytes that are read.
const MAX_RESPONSE: usize = 64 << 10;
/// The maximum size of all delivery bodies, and of all jobs, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// The sending side of Gemini API webhooks, on an address of this machine.
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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// No RSA key could be generated.
    #[error("cannot generate an RSA key: the system provides no random bytes")]
    Keys(#[source] TokenSignerError),
}

impl Emulator {
    /// Starts an emulator, which runs until it is stopped or dropped. The observer is called after every attempt.
    pub async fn start(config: Config, observer: Option<Observer>) -> Result<Self, StartError> {
        config.check()?;
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
        let any_host = config.danger_listen_beyond_loopback;
        let shared = Arc::new(Shared::new(world, clock, base_url.clone(), seed, any_host));
        let stop = CancellationToken::new();
        let client = config.client.timeout(config.timeout).connect_timeout(config.timeout).max_body(MAX_RESPONSE);
        let client = client.max_idle_connections(config.concurrency).build();
        let serving = serve(listener, api::router(Arc::clone(&shared)), stop.clone());
        let sending = dispatch::send(Arc::clone(&shared), client, config.concurrency, observer, stop.clone());
        Ok(Self { base_url, seed, webhooks, shared, stop, tasks: [tokio::spawn(serving), tokio::spawn(sending)] })
    }

    /// The base URL to configure in an SDK.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The URL at which the public keys of dynamic webhooks are published.
    pub fn jwks_url(&self) -> String {
        format!("{}{JWKS_PATH}", self.base_url)
    }

    /// The URL of the inspector, a page that shows deliveries and their attempts.
    pub fn inspector_url(&self) -> String {
        format!("{}{INSPECTOR_PATH}", self.base_url)
    }

    /// The seed: another run with it creates the same ids and secrets.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The webhooks that are registered from the start, each with its secret.
    pub fn webhooks(&self) -> impl Iterator<Item = (&Uri, &str)> {
        self.webhooks.iter().map(|(uri, secret)| (uri, secret.as_str()))
    }

    /// Counters since the start.
    pub fn totals(&self) -> Totals {
        self.shared.world().0.outbox.totals().clone()
    }

    /// Stops the emulator, and waits until it has stopped. Attempts in flight are aborted.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in &mut self.tasks {
            // A panic of a task has been reported already.
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

/// Serves the API until `stop`.
async fn serve(listener: TcpListener, api: Router, stop: CancellationToken) {
    let warn = |error: &io::Error| tracing::warn!(%error, "a connection could not be accepted");
    tokio::select! {
        () = listener::serve(listener, MAX_CONNECTIONS, TowerToHyperService::new(api), warn) => {}
        () = stop.cancelled() => {}
    }
}

fn rules(config: &Config, base_url: &str) -> Rules {
    Rules {
        base_url: base_url.into(),
        sender: config.sender,
        schedule: config.schedule,
        job_time: config.job_time,
        dynamic: config.dynamic,
        audience: config.audience.clone(),
        disable_after: config.disable_after,
        quirks: config.quirks.clone(),
        jobs: jobs::Limits { jobs: MAX_JOBS, bytes: MAX_BYTES },
        outbox: outbox::Limits {
            open: config.max_open_deliveries,
            ended: config.keep_ended_deliveries,
            bytes: MAX_BYTES,
        },
    }
}
