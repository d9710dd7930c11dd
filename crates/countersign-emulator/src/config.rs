//! The settings of an emulator, and their defaults.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use countersign_client::{Client, ClientBuilder};
use http::Uri;

use crate::faults::Faults;
use crate::quirk::Quirk;
use crate::signing::Dynamic;
use countersign_inbox::Schedule;
use countersign_senders::{Retries, SENDERS, Sender};

/// How an [`Emulator`](crate::Emulator) behaves.
///
/// ```
/// use countersign_emulator::Config;
///
/// let config = Config { time_scale: 3600.0, seed: Some(7), ..Config::default() };
/// assert!(config.listen.ip().is_loopback());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of the API. Default: `127.0.0.1:8790`. An address that other machines can reach is an error,
    /// unless [`danger_listen_beyond_loopback`](Self::danger_listen_beyond_loopback) is set.
    pub listen: SocketAddr,
    /// Allows other machines to reach the API. Anyone who can reach it can make it send requests to any
    /// address.
    pub danger_listen_beyond_loopback: bool,
    /// The seed of everything random: ids, secrets, Ed25519 keys, jitter and faults. Default: a random seed.
    pub seed: Option<u64>,
    /// Emulated seconds per second of the machine's clock, more than 0 and at most a million. Default: 1.
    pub time_scale: f64,
    /// How long a job takes, in emulated time. Default: 2 s.
    pub job_time: Duration,
    /// How dynamic webhooks are signed. Default: [`Dynamic::V1a`].
    pub dynamic: Dynamic,
    /// The audience of tokens. Default: the address of each delivery.
    pub audience: Option<String>,
    /// The faults that are active from the start. Default: none.
    pub faults: Faults,
    /// Where it behaves as the real service was seen to, and not as documented. Default: nowhere.
    pub quirks: BTreeSet<Quirk>,
    /// Whose header names, secrets and events it sends. With a sender other than Gemini, registered webhooks and events
    /// that are emitted by hand are that sender's. Default: Gemini.
    pub sender: &'static Sender,
    /// When failed deliveries are retried.
    pub schedule: Schedule,
    /// Addresses that are registered from the start, for all events, in the project of
    /// [`API_KEY`](Self::API_KEY).
    pub webhooks: Vec<Uri>,
    /// How long an attempt waits for its response, by the machine's clock. Default: 10 s.
    pub timeout: Duration,
    /// How deliveries are sent: certificate authorities and proxy. Its timeouts and limits are replaced.
    /// Default: the Mozilla root certificates, no proxy.
    pub client: ClientBuilder,
    /// After how many given-up deliveries in a row a webhook is disabled; at least 1. Default: 3.
    pub disable_after: u32,
    /// The maximum number of attempts at a time; at least 1. Default: 64.
    pub concurrency: usize,
    /// The maximum number of open deliveries. Requests that would lead to more are rejected with 429. Default: 100,000.
    pub max_open_deliveries: usize,
    /// How many ended deliveries are kept for inspection. Default: 10,000.
    pub keep_ended_deliveries: usize,
}

impl Default for Config {
    /// Loopback, real time, jobs of two seconds, `v1a`, no faults.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8790)),
            danger_listen_beyond_loopback: false,
            seed: None,
            time_scale: 1.0,
            job_time: Duration::from_secs(2),
            dynamic: Dynamic::default(),
            audience: None,
            faults: Faults::default(),
            quirks: BTreeSet::new(),
            sender: &SENDERS[Self::GEMINI],
            schedule: Schedule::default(),
            webhooks: Vec::new(),
            timeout: Duration::from_secs(10),
            client: Client::builder(),
            disable_after: 3,
            concurrency: 64,
            max_open_deliveries: 100_000,
            keep_ended_deliveries: 10_000,
        }
    }
}

impl Config {
    /// The API key of the project with the webhooks that are registered from the start.
    pub const API_KEY: &str = "emulator";

    /// The place of Gemini in the list of senders.
    const GEMINI: usize = 1;

    /// The default configuration with this sender, and its schedule.
    ///
    /// ```
    /// use countersign_emulator::Config;
    ///
    /// let config = Config::of(countersign_senders::named("svix").unwrap());
    /// assert_eq!(config.schedule.plan(0.5).len(), 8);
    /// ```
    pub fn of(sender: &'static Sender) -> Self {
        let schedule = match sender.retries {
            Retries::Delays(delays) => Schedule::fixed(delays),
            Retries::Backoff { first, window } => Schedule { first, window, ..Schedule::default() },
            _ => Schedule::default(),
        };
        Self { sender, schedule, ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && !self.danger_listen_beyond_loopback {
            return Err(ConfigError::BeyondLoopback(self.listen));
        }
        if !(self.time_scale > 0.0 && self.time_scale <= 1e6) {
            return Err(ConfigError::TimeScale(self.time_scale));
        }
        if self.concurrency == 0 || self.disable_after == 0 {
            return Err(ConfigError::Zero);
        }
        Ok(())
    }
}

/// Why a configuration is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Other machines could reach the emulator, and the configuration does not say that this is intended.
    #[error(
        "{0} can be reached from other machines, and anyone who reaches the emulator can make it send requests to \
         any address: listen on 127.0.0.1, or set `danger_listen_beyond_loopback`"
    )]
    BeyondLoopback(SocketAddr),
    /// The time scale is out of range.
    #[error("the time scale {0} is out of range: it must be more than 0, and at most 1000000")]
    TimeScale(f64),
    /// `concurrency` or `disable_after` is 0.
    #[error("`concurrency` and `disable_after` must be at least 1")]
    Zero,
}
