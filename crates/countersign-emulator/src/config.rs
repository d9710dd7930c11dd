//! What can be set, and what is not unless it is.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;

use crate::faults::Faults;
use crate::schedule::Schedule;
use crate::signing::Dynamic;

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
    /// Where the API is. An address that is not of this machine alone is refused, unless
    /// [`danger_listen_beyond_loopback`](Self::danger_listen_beyond_loopback) is set.
    pub listen: SocketAddr,
    /// Lets machines other than this one reach the API. Whoever can reach it can have it post anything
    /// to any address.
    pub danger_listen_beyond_loopback: bool,
    /// What chance, names, secrets and Ed25519 keys are made of: the same seed, the same ones. Unless
    /// set, it is chosen by chance.
    pub seed: Option<u64>,
    /// How many emulated seconds pass in one of the machine's; more than 0, and at most a million.
    pub time_scale: f64,
    /// How long a job takes, in emulated time.
    pub job_time: Duration,
    /// How dynamic webhooks are signed.
    pub dynamic: Dynamic,
    /// Whom tokens are for; each delivery's own address unless set.
    pub audience: Option<String>,
    /// What goes wrong on purpose, to begin with.
    pub faults: Faults,
    /// When deliveries are attempted again.
    pub schedule: Schedule,
    /// Addresses that are registered from the start, for all events, in the project of [`API_KEY`](Self::API_KEY).
    pub webhooks: Vec<Uri>,
    /// How long an attempt waits for its answer, in the machine's time.
    pub timeout: Duration,
    /// After how many deliveries in a row that were given up a webhook is disabled; at least 1.
    pub disable_after: u32,
    /// How many attempts are made at a time.
    pub concurrency: usize,
    /// How many deliveries may be waiting or in flight. Past it, what would lead to more is refused (429).
    pub max_open_deliveries: usize,
    /// How many deliveries that have ended are kept to be looked at.
    pub keep_ended_deliveries: usize,
}

impl Default for Config {
    /// Loopback, the machine's own time, jobs of two seconds, `v1a`, no faults.
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
            schedule: Schedule::default(),
            webhooks: Vec::new(),
            timeout: Duration::from_secs(10),
            disable_after: 3,
            concurrency: 64,
            max_open_deliveries: 100_000,
            keep_ended_deliveries: 10_000,
        }
    }
}

impl Config {
    /// The key of the project that has the webhooks which are registered from the start.
    pub const API_KEY: &str = "emulator";

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

/// Why no emulator runs with a configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// It would be reachable from other machines, and that was not asked for in so many words.
    BeyondLoopback(SocketAddr),
    /// Time would stand still, or fly.
    TimeScale(f64),
    /// There would be no attempts, or no deliveries.
    Zero,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondLoopback(address) => write!(
                f,
                "{address} can be reached from other machines, and whoever reaches the emulator can have it post \
                 anything to any address: listen on 127.0.0.1, or say that this danger is meant"
            ),
            Self::TimeScale(scale) => write!(f, "time cannot pass {scale} times as fast: more than 0, at most 1000000"),
            Self::Zero => {
                f.write_str("at least one attempt at a time, and one failed delivery before a webhook is disabled")
            }
        }
    }
}

impl std::error::Error for ConfigError {}
