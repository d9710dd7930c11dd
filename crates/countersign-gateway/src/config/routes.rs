//! Routes, and their backends.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_tower::{VerifyLayer, policy::Untyped};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::addresses::identity;
use super::balancing::{BalancingSpec, EjectSpec, HealthCheckSpec, RetrySpec};
use super::delivery::{DeliverySpec, RedeliverySpec};
use super::error::Problem;
use super::events::Events;
use super::hide::is_like_a_secret;
use super::key_path::KeyPath;
use super::rate::{self, RateSpec};
use super::sender::DuplicatesSpec;
use super::set_headers::{self, SetHeaderSpec};
use super::share::Share;
use super::source::SourceConfig;
use super::store::StoreSpec;
use super::targets::PATH_LIKE_A_SECRET;
use super::upstream::{self, UpstreamScheme, UpstreamSpec, UpstreamTlsSpec};
use super::values::{count, text};
use super::{duration, limits, size, targets};
use crate::path::PathPattern;
use crate::rate::Rate;
use crate::route::Host;
use crate::trust::Opened;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the idle timeouts of common servers: gunicorn 2 s, Node.js, uvicorn and Apache 5 s.
const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_millis(1500);
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);

/// Where verified requests of a source are forwarded. No two routes may have the same `host` and `path`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The path that the route is for: an exact path, or a prefix like `/hooks/*`.
    #[serde(deserialize_with = "targets::path")]
    #[schemars(schema_with = "targets::path_schema")]
    pub path: PathPattern,
    /// The host that the route is for, without a port. A route with a host takes precedence. Default: any host.
    #[serde(default, deserialize_with = "targets::host")]
    #[schemars(with = "Option<String>", example = &"hooks.example.com")]
    pub host: Option<Host>,
    /// The name of the source that verifies requests.
    pub source: String,
    /// The backends, at least one. If they have a path, like `http://127.0.0.1:3000/hooks`, it stands before that of each
    /// request, and must be the same for all. Requests go to each in turn. With two or more addresses, those that fail their
    /// health check and those that keep failing are skipped.
    #[schemars(length(min = 1))]
    pub upstream: Vec<UpstreamSpec>,
    /// "inbox": a verified message is stored, the sender gets 202, and the message is delivered afterwards, with retries. It
    /// needs `[store]`. Default: "direct", while the sender waits.
    #[serde(default)]
    pub delivery: DeliverySpec,
    /// When a delivery from the inbox that failed is attempted again. Only with `delivery = "inbox"`.
    pub redelivery: Option<RedeliverySpec>,
    /// TLS towards upstreams with `https` or `h2`. Default: their certificates are verified with the public authorities.
    pub upstream_tls: Option<UpstreamTlsSpec>,
    /// How the upstreams are checked. Default: with two or more addresses, whether they accept a connection, every second.
    pub health_check: Option<HealthCheckSpec>,
    /// When an upstream that keeps failing is left out. Only with two or more addresses, and never all of them.
    #[serde(default)]
    pub eject: EjectSpec,
    /// When a request is sent to another upstream: "unsent" if nothing of it was sent, "idempotent" also once if it got no
    /// response. Default: "unsent".
    #[serde(default)]
    pub retry: RetrySpec,
    /// The beginning of the route's path that is left out in requests to the backends, like "/hooks". If an upstream has a
    /// path, that stands in its place. Default: nothing is left out.
    #[serde(default, deserialize_with = "targets::strip_prefix")]
    #[schemars(schema_with = "targets::strip_prefix_schema")]
    pub strip_prefix: Option<String>,
    /// The event types that are forwarded: exact types, prefixes like `batch.*`, or `*`. Others get 204. Default: all.
    pub events: Option<Events>,
    /// What is done with a verified request whose event type cannot be read. Only with `events`. Default: "forward".
    pub untyped: Option<UntypedSpec>,
    /// Whether gRPC calls are rejected with `grpc-status` in place of an HTTP status. Default: false.
    #[serde(default)]
    pub grpc: bool,
    /// "204": `GET`, `HEAD` and `OPTIONS` get 204 and are not forwarded, for senders and monitors that check a URL in this
    /// way. Default: they get 405.
    pub probe: Option<ProbeSpec>,
    /// Client headers that are forwarded although they steer a backend. Something in front of the gateway has to set them.
    /// Default: none.
    #[serde(default, deserialize_with = "targets::opened")]
    #[schemars(schema_with = "targets::opened_schema")]
    pub forward_headers: Opened,
    /// Headers that are sent to the backends, by name: a text, or a secret like `{ env = "BACKEND_KEY" }`. A client's headers
    /// of these names are removed. Default: none.
    #[serde(default, deserialize_with = "set_headers::deserialize")]
    #[schemars(schema_with = "set_headers::schema")]
    pub set_headers: Vec<SetHeaderSpec>,
    /// Whether requests get a signed assertion, the JWT in `countersign-assertion`, as `[assertion]` says. Default: false.
    #[serde(default)]
    pub assertion: bool,
    /// The share of successful requests that get a log line, from 0 for none to 1 for all: verified requests with a 2xx
    /// response. All others are logged. Default: 1.
    #[serde(default)]
    pub log_sample: Share,
    /// The largest accepted body. Default: 1 MiB.
    #[serde(default = "default_body_limit", with = "size")]
    #[schemars(schema_with = "size::schema")]
    pub body_limit: usize,
    /// How long a body may take to arrive. Default: 10 s.
    #[serde(default = "default_body_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub body_timeout: Duration,
    /// How long a backend may take until the head of its response, and between two parts of its body. It must not be longer
    /// than the `lease` of the source, or half of it with `retry = "idempotent"`. Default: 30 s.
    #[serde(default = "default_upstream_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub upstream_timeout: Duration,
    /// Whether the names of headers are sent in title case, like `Content-Type`, to backends that need that. HTTP/2 has lower
    /// case only. Default: false.
    #[serde(default)]
    pub title_case_headers: bool,
    /// How many requests may be at the backends of the route at once, until the end of their responses. Further ones get 503
    /// (`over_capacity`) with `Retry-After`, and are not forwarded. Default: no limit.
    #[serde(default, deserialize_with = "in_flight")]
    #[schemars(range(min = 1))]
    pub max_in_flight: Option<usize>,
    /// How many requests of the route are accepted, like "90/s". Further ones get 429 (`over_rate`) with `Retry-After` before
    /// their bodies are read. Requests count before they are verified, so anyone who can connect can use up the rate;
    /// `client_limits` slow down those whose requests are rejected. Default: no limit.
    pub rate: Option<RateSpec>,
    /// How many requests of the route are accepted at once. Only with `rate`. Default: the number of `rate`.
    #[serde(default, deserialize_with = "rate::burst")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<usize>,
    /// How long a connection to a backend may be idle before it is not used again. Keep it below the backend's own
    /// keep-alive timeout. Default: 1.5 s.
    #[serde(default = "default_upstream_idle_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub upstream_idle_timeout: Duration,
    /// How long a backend may take to accept a connection before the next one is tried. It must not be longer than
    /// `upstream_timeout`. Default: 5 s, or `upstream_timeout` if that is shorter.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub connect_timeout: Option<Duration>,
}

/// How a request that only checks whether the URL exists is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Probe")]
pub enum ProbeSpec {
    /// With 204.
    #[serde(rename = "204")]
    NoContent,
}

impl<'de> Deserialize<'de> for ProbeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"204\"", |text| match text {
            "204" => Ok(Self::NoContent),
            _ => Err("the only response is \"204\""),
        })
    }
}

/// What is done with a verified request whose event type cannot be read, on a route with `events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Untyped")]
pub enum UntypedSpec {
    /// It is forwarded.
    Forward,
    /// It is rejected with 422.
    Reject,
}

impl<'de> Deserialize<'de> for UntypedSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"forward\" or \"reject\"", |text| match text {
            "forward" => Ok(Self::Forward),
            "reject" => Ok(Self::Reject),
            _ => Err("write \"forward\" or \"reject\""),
        })
    }
}

impl From<UntypedSpec> for Untyped {
    fn from(spec: UntypedSpec) -> Self {
        match spec {
            UntypedSpec::Forward => Self::Forward,
            UntypedSpec::Reject => Self::Reject,
        }
    }
}

fn in_flight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    count(deserializer, 1..=usize::MAX, "no request would be forwarded: allow one at least").map(Some)
}

fn default_body_limit() -> usize {
    VerifyLayer::DEFAULT_BODY_LIMIT
}

fn default_body_timeout() -> Duration {
    VerifyLayer::DEFAULT_BODY_TIMEOUT
}

fn default_upstream_timeout() -> Duration {
    UPSTREAM_TIMEOUT
}

fn default_upstream_idle_timeout() -> Duration {
    UPSTREAM_IDLE_TIMEOUT
}

impl Route {
    /// How long a backend may take to accept a connection.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(CONNECT_TIMEOUT.min(self.upstream_timeout))
    }

    /// The beginning of paths that is left out, without a slash at the end. Often empty.
    pub fn strip_prefix(&self) -> &str {
        self.strip_prefix.as_deref().unwrap_or_default()
    }

    /// The path of the upstreams, without a slash at the end. Often empty.
    pub fn upstream_path(&self) -> &str {
        self.upstream.first().map_or("", |upstream| upstream.path.as_str())
    }

    /// Its host, if it has one, and its path, for metrics and logs.
    pub fn name(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}{}", self.path),
            None => self.path.to_string(),
        }
    }

    /// The keys that decide which upstream gets a request.
    pub fn balancing(&self) -> BalancingSpec {
        BalancingSpec {
            upstream: self.upstream.clone(),
            tls: self.upstream_tls.clone(),
            eject: self.eject,
            health_check: self.health_check.clone(),
        }
    }

    /// The rate of its requests, if it is limited.
    pub fn rate(&self) -> Option<Rate> {
        self.rate.map(|rate| rate.with_burst(self.burst))
    }

    /// What is done with a verified request whose event type cannot be read.
    pub fn untyped(&self) -> Untyped {
        self.untyped.map_or(Untyped::Forward, Untyped::from)
    }

    /// Rejects values that cannot work, and warns of values that are probably not meant.
    pub(super) fn check(
        &self,
        at: &KeyPath,
        sources: &BTreeMap<String, SourceConfig>,
        warnings: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        let source = self.check_source(at, sources)?;
        self.check_timeouts(at, source, warnings)?;
        if self.upstream.is_empty() {
            let message = "name one upstream at least, like \"http://127.0.0.1:3000\"";
            return Err(Problem::at(&at.key("upstream"), message));
        }
        self.check_paths(at)?;
        if self.burst.is_some() && self.rate.is_none() {
            return Err(Problem::at(&at.key("burst"), "`burst` is for a route with `rate`, like \"90/s\": add it"));
        }
        self.check_events(at, warnings)?;
        for (position, name) in self.forward_headers.needless() {
            let message =
                format!("`forward_headers` of `{}` lists `{name}`, which is forwarded without that", self.path);
            warnings.push(Problem::at(&at.key("forward_headers").entry(position), message));
        }
        self.check_upstreams(&at.key("upstream"), warnings);
        upstream::check_tls(&self.upstream, self.upstream_tls.as_ref(), at)?;
        self.eject.check(&at.key("eject"))?;
        if let Some(health_check) = &self.health_check {
            health_check.check(&at.key("health_check"), warnings)?;
        }
        limits::warn_of_memory(&at.key("body_limit"), self.body_limit, warnings);
        limits::warn_of_small_body(&at.key("body_limit"), self.body_limit, warnings);
        if is_like_a_secret(&self.path.to_string()) {
            warnings.push(Problem::at(&at.key("path"), PATH_LIKE_A_SECRET));
        }
        Ok(())
    }

    /// An inbox needs a store that a restart does not empty, and delivers each message once.
    pub(super) fn check_delivery(
        &self,
        at: &KeyPath,
        (store, source): (&StoreSpec, Option<&SourceConfig>),
        warnings: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        if let Some(redelivery) = self.redelivery {
            redelivery.check(&at.key("redelivery"))?;
        }
        let why = match self.delivery {
            DeliverySpec::Direct if self.redelivery.is_some() => {
                let message = "`redelivery` is for `delivery = \"inbox\"`: in direct mode, the sender retries";
                return Err(Problem::at(&at.key("redelivery"), message));
            }
            DeliverySpec::Inbox if !matches!(store, StoreSpec::Sqlite(_)) => {
                "an inbox needs a store in a file: set [store] to `engine = \"sqlite\"` with a `path`"
            }
            DeliverySpec::Inbox if self.grpc => {
                "a gRPC call needs the response of its backend: use \"direct\", or leave out `grpc`"
            }
            DeliverySpec::Inbox if source.is_some_and(|source| source.duplicates == DuplicatesSpec::Forward) => {
                let message = format!(
                    "the source `{}` forwards duplicates, which has no effect here: the inbox stores each message once",
                    self.source
                );
                warnings.push(Problem::at(&at.key("delivery"), message));
                return Ok(());
            }
            DeliverySpec::Direct | DeliverySpec::Inbox => return Ok(()),
        };
        Err(Problem::at(&at.key("delivery"), why))
    }

    /// All paths of the route begin with what is left out, and all its upstreams have the same path.
    fn check_paths(&self, at: &KeyPath) -> Result<(), Problem> {
        let rest = self.path.text().strip_prefix(self.strip_prefix());
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let message =
                format!("not every path of the route {} begins with this: write the beginning of it", self.path);
            return Err(Problem::at(&at.key("strip_prefix"), message));
        }
        match self.upstream.iter().position(|upstream| upstream.path != self.upstream_path()) {
            Some(position) => {
                let message = "the upstreams of a route are replicas: give all of them the same path";
                Err(Problem::at(&at.key("upstream").entry(position), message))
            }
            None => Ok(()),
        }
    }

    fn check_source<'s>(
        &self,
        at: &KeyPath,
        sources: &'s BTreeMap<String, SourceConfig>,
    ) -> Result<&'s SourceConfig, Problem> {
        sources.get(&self.source).ok_or_else(|| {
            let known: Vec<_> = sources.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "no source at all".into() } else { known.join(", ") };
            Problem::at(&at.key("source"), format!("there is no source `{}`; there is {known}", self.source))
        })
    }

    fn check_timeouts(&self, at: &KeyPath, source: &SourceConfig, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let (lease, upstream_timeout) = (source.replay.lease, self.upstream_timeout);
        if lease < upstream_timeout {
            let message = format!(
                "the upstream may take {upstream_timeout:?}, but the lease of the source `{}` ends after {lease:?}: \
                 a retry in between would be forwarded too",
                self.source
            );
            return Err(Problem::at_first([at.key("upstream_timeout"), at.key("source")], message));
        }
        if self.retry == RetrySpec::Idempotent && lease < 2 * upstream_timeout {
            let message = format!(
                "with `retry = \"idempotent\"`, two upstreams may take {upstream_timeout:?} each, but the lease of the \
                 source `{}` ends after {lease:?}: use a shorter time here, or a longer lease",
                self.source
            );
            return Err(Problem::at_first([at.key("upstream_timeout"), at.key("retry")], message));
        }
        let connect_timeout = self.connect_timeout();
        if connect_timeout > upstream_timeout {
            let message = format!(
                "a backend may take {connect_timeout:?} to accept a connection, but `upstream_timeout` ends the \
                 attempt after {upstream_timeout:?}: use a shorter time here"
            );
            return Err(Problem::at(&at.key("connect_timeout"), message));
        }
        let (tenth, hour) = (Duration::from_millis(100), Duration::from_hours(1));
        let hundredth = Duration::from_millis(10);
        let mut warn = |key, duration, usual, why| limits::warn_outside(at, key, duration, usual, why, warnings);
        let why = "a body may trickle in for that long, or has no time to arrive at all; the default is 10 s";
        warn("body_timeout", self.body_timeout, tenth..=hour, why);
        let why = "senders give up after 10 s to 30 s, and the backend needs some time; the default is 30 s";
        warn("upstream_timeout", upstream_timeout, tenth..=hour, why);
        let why =
            "a connection is reused for that long, while servers close it after a few seconds; the default is 1.5 s";
        warn("upstream_idle_timeout", self.upstream_idle_timeout, hundredth..=hour, why);
        let why = "a backend accepts a connection within milliseconds, or not at all; the default is 5 s";
        warn("connect_timeout", connect_timeout, hundredth..=Duration::from_mins(2), why);
        Ok(())
    }

    fn check_events(&self, at: &KeyPath, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let untyped = at.key("untyped");
        match (&self.events, self.untyped) {
            (None, Some(_)) => {
                let message = "`untyped` is for a route with `events`: without a filter no types are read";
                return Err(Problem::at(&untyped, message));
            }
            (Some(events), Some(UntypedSpec::Reject)) if events.is_all() => {
                let message = "`untyped` is for a filter, and [\"*\"] filters nothing: only deliveries without a readable \
                               type are rejected";
                warnings.push(Problem::at(&untyped, message));
            }
            _ => {}
        }
        self.events.as_ref().map_or(Ok(()), |events| events.check(&at.key("events"), warnings))
    }

    fn check_upstreams(&self, at: &KeyPath, warnings: &mut Vec<Problem>) {
        let mut known = Vec::new();
        for (position, upstream) in self.upstream.iter().enumerate() {
            if upstream.scheme == UpstreamScheme::Http && upstream.port() == 443 {
                let message =
                    format!("the upstream {upstream} has the port of https, but is spoken to in http: write https://");
                warnings.push(Problem::at(&at.entry(position), message));
            }
            let identity = match &upstream.socket {
                Some(_) => (upstream.name(), 0),
                None => identity(&upstream.authority, upstream.port()),
            };
            if known.contains(&identity) {
                let message = format!("the upstream {upstream} is listed twice: it would get two turns of each round");
                warnings.push(Problem::at(&at.entry(position), message));
            }
            known.push(identity);
        }
    }
}
