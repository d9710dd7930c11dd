//! The process and its listeners.

use std::net::SocketAddr;
use std::time::Duration;

use countersign_tower::VerifyLayer;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::addresses::{AddressSpec, check_listeners};
use super::admin_token::AdminTokenSpec;
use super::client_limits::ClientLimitsSpec;
use super::error::Problem;
use super::inspect::InspectSpec;
use super::key_path::KeyPath;
use super::limits::MOST_THREADS;
use super::listen::ListenSpec;
use super::proxies::{self, ProxySpec};
use super::values::count;
use super::{duration, limits, size};
use crate::proxies::TrustedProxies;
use crate::serve::{MAX_HEAD, Timeouts};

/// The process: its listeners, its threads, and its limits over all routes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The listeners for webhooks, at least one. No two addresses may overlap.
    #[schemars(length(min = 1))]
    pub listen: Vec<ListenSpec>,
    /// The address for `/healthz`, `/readyz`, `/metrics` and the commands under `/-/`. It serves at most 64 connections.
    /// Default: none.
    pub admin: Option<AddressSpec>,
    /// The bearer token of the commands under `/-/` of the admin listener. Default: none, and then only an admin listener on
    /// a loopback address accepts commands.
    pub admin_token: Option<AdminTokenSpec>,
    /// Whether the admin listener shows the bodies of stored messages. Default: false.
    #[serde(default)]
    pub inbox_bodies: bool,
    /// Where the backends of pulled destinations fetch their messages: an address, or a table with `tls`, as in `listen`. It
    /// serves at most 64 connections. Default: none.
    pub pull: Option<ListenSpec>,
    /// The inspector, a page at `/inspect` of the admin listener that shows the last requests and the inbox. Default: none.
    pub inspect: Option<InspectSpec>,
    /// The proxies in front of the gateway: IP addresses and networks, like "10.0.0.0/8", or "unix:" for the
    /// clients of all Unix sockets. If a connection comes from one of them, its `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` or its `Forwarded` (RFC 7239) say who the client is, what
    /// host it named, and how. The chain is read from its end, past trusted proxies. These facts are in the log, in the
    /// `x-forwarded-*` headers for the backend, and match the `host` of routes. If the headers are malformed or contradict
    /// each other, the facts of the connection count. The proxies must set these headers or remove them. Default: none.
    #[serde(default)]
    pub trusted_proxies: Vec<ProxySpec>,
    /// How many threads accept and serve connections, from 1 to 4096. Default: one for each processor.
    #[serde(default, deserialize_with = "threads")]
    #[schemars(range(min = 1, max = 4096))]
    pub threads: Option<usize>,
    /// How many connections from senders may be open. Further ones are closed at once. Above three quarters of it,
    /// connections without a request are closed after 5 s. Default: half of the open files that the process may have, less
    /// about 200, and at most 100000.
    #[serde(default, deserialize_with = "connections")]
    #[schemars(range(min = 1))]
    pub max_connections: Option<usize>,
    /// The limits for each client. Default: no limits.
    #[serde(default)]
    pub client_limits: ClientLimitsSpec,
    /// How many bytes of request heads and bodies may be held in memory, over all connections. There must be room for the
    /// largest `body_limit` and 64 KiB. Default: 256 MiB, or more if the largest `body_limit` needs it.
    #[serde(default, deserialize_with = "size::optional::deserialize")]
    #[schemars(schema_with = "size::schema")]
    pub body_budget: Option<usize>,
    /// The time from the first byte of a request, or from the start of the connection, to the end of the request head.
    /// Default: 30 s.
    #[serde(default = "default_head_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub head_timeout: Duration,
    /// The time from the end of a response to the next request. PINGs do not extend it. Default: 75 s.
    #[serde(default = "default_idle_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub idle_timeout: Duration,
    /// How long a client may make no progress in reading a response. Default: 30 s.
    #[serde(default = "default_write_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub write_timeout: Duration,
    /// How long connections are still accepted once the process is asked to stop, while `/readyz` returns 503, so that load
    /// balancers stop sending first. `shutdown_timeout` starts after it. Default: none.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub drain_delay: Option<Duration>,
    /// How long requests in progress may take to finish once the process is asked to stop. Default: 15 s.
    #[serde(default = "default_shutdown_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub shutdown_timeout: Duration,
    /// Whether a change to this file, or to a file of a secret, key, certificate or authority that it names, reloads the
    /// configuration. The files are looked at every 2 s, and are read once they have stayed the same for as long.
    /// Default: false.
    #[serde(default)]
    pub reload_on_change: bool,
    /// Whether plain requests of HTTP/1.1 are served without hyper, which is faster. Default: true.
    #[serde(default = "default_accelerate")]
    pub accelerate: bool,
}

fn default_accelerate() -> bool {
    true
}

fn default_head_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_idle_timeout() -> Duration {
    Duration::from_secs(75)
}

fn default_write_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_shutdown_timeout() -> Duration {
    Duration::from_secs(15)
}

fn threads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let hint = "one thread at least, and at most 4096; the default is one for each processor";
    count(deserializer, 1..=MOST_THREADS, hint).map(Some)
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    count(deserializer, 1..=usize::MAX, "no connection would be accepted: allow one at least").map(Some)
}

impl Server {
    /// The IP addresses that are listened on for webhooks, each with its position in `listen`.
    pub(super) fn ip_listeners(&self) -> Vec<(usize, SocketAddr)> {
        self.listen.iter().enumerate().filter_map(|(position, spec)| Some((position, spec.address.ip()?))).collect()
    }

    /// How many threads accept and serve connections.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(limits::processors)
    }

    /// The proxies in front of the gateway.
    pub fn trusted_proxies(&self) -> TrustedProxies {
        let unix = self.trusted_proxies.contains(&ProxySpec::Unix);
        TrustedProxies::new(self.trusted_proxies.iter().filter_map(ProxySpec::network), unix)
    }

    /// How long a client may keep a connection without progress.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts { head: self.head_timeout, idle: self.idle_timeout, write: self.write_timeout }
    }

    /// Rejects values that cannot work, and warns of values that are probably not meant.
    pub(super) fn check(&self, largest_body: usize, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let at = KeyPath::server();
        if self.listen.is_empty() {
            let message = "listen on one address at least, like \"127.0.0.1:8080\"";
            return Err(Problem::at(&at.key("listen"), message));
        }
        for (position, spec) in self.listen.iter().enumerate() {
            spec.check(&KeyPath::listener(position), &self.listen[..position])?;
        }
        if let Some(pull) = &self.pull {
            pull.check(&at.key("pull"), &self.listen)?;
            if pull.tls.is_none() && pull.address.ip().is_some_and(|address| !address.ip().is_loopback()) {
                let message =
                    "messages and tokens are sent in plain text here: add `tls`, or keep others off this network";
                warnings.push(Problem::at(&at.key("pull"), message));
            }
        }
        check_listeners(&self.ip_listeners(), self.admin.map(|spec| spec.address), warnings)?;
        proxies::check(&self.trusted_proxies, &at.key("trusted_proxies"), warnings);
        self.client_limits.check(&at.key("client_limits"))?;
        if self.admin_token.is_some() && self.admin.is_none() {
            let message = "`admin_token` has no effect without an `admin` address";
            warnings.push(Problem::at(&at.key("admin_token"), message));
        }
        if self.inspect.is_some() && self.admin.is_none() {
            let message = "`inspect` has no effect without an `admin` address";
            warnings.push(Problem::at(&at.key("inspect"), message));
        }
        if let Some(threads) = self.threads {
            limits::warn_of_threads(&at.key("threads"), threads, warnings);
        }
        if let Some(count) = self.max_connections {
            limits::warn_of_connections(&at.key("max_connections"), count, warnings);
        }
        if let Some(bytes) = self.body_budget {
            let (at, least) = (at.key("body_budget"), least_budget(largest_body));
            if bytes < least {
                let message = format!(
                    "a route accepts bodies of {largest_body} bytes, which would never fit beside a head of {MAX_HEAD}: \
                     allow {least}B or more"
                );
                return Err(Problem::at(&at, message));
            }
            limits::warn_of_memory(&at, bytes, warnings);
        }
        for (key, duration, why) in [
            ("head_timeout", self.head_timeout, "a client needs some time to send a head, and no more than that"),
            ("idle_timeout", self.idle_timeout, "a connection without requests is kept for that long"),
            ("write_timeout", self.write_timeout, "a client may leave a response unread for that long"),
            (
                "shutdown_timeout",
                self.shutdown_timeout,
                "a stop may take that long; service managers wait for 10 s to 90 s before they kill",
            ),
        ] {
            let usual = Duration::from_millis(100)..=Duration::from_hours(1);
            limits::warn_outside(&at, key, duration, usual, why, warnings);
        }
        if let Some(delay) = self.drain_delay {
            let usual = Duration::ZERO..=Duration::from_mins(5);
            let why = "a stop takes that long, and `shutdown_timeout` comes after it";
            limits::warn_outside(&at, "drain_delay", delay, usual, why, warnings);
        }
        Ok(())
    }

    /// The bytes of request heads and bodies that may be held in memory, where this is the largest body of any route.
    pub(super) fn body_budget_for(&self, largest_body: usize) -> usize {
        self.body_budget.unwrap_or_else(|| least_budget(largest_body).max(VerifyLayer::DEFAULT_BODY_BUDGET))
    }
}

/// Room for one body of this size and its head.
pub(super) fn least_budget(largest_body: usize) -> usize {
    largest_body.saturating_add(MAX_HEAD)
}
