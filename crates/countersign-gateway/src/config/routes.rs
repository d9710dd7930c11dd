//! Routes, and their backends.

use std::time::Duration;

use countersign_tower::{VerifyLayer, policy::Untyped};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::balancing::{BalancingSpec, EjectSpec, HealthCheckSpec, RetrySpec};
use super::delivery::{DeliverySpec, RedeliverySpec};
use super::destination::{DestinationSpec, UnmatchedSpec};
use super::events::Events;
use super::rate::{self, RateSpec};
use super::reconcile::ReconcileSpec;
use super::set_headers::{self, SetHeaderSpec};
use super::share::Share;
use super::upstream::{UpstreamSpec, UpstreamTlsSpec};
use super::values::text;
use super::{duration, size, targets};
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
    /// The backends: at least one, or else `destinations`. If they have a path, like `http://127.0.0.1:3000/hooks`, it stands before that of each
    /// request, and must be the same for all. Requests go to each in turn. With two or more addresses, those that fail their
    /// health check and those that keep failing are skipped.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub upstream: Vec<UpstreamSpec>,
    /// "inbox": a verified message is stored, the sender gets 202, and the message is delivered afterwards, with retries. It
    /// needs `[store]`. Default: "direct", while the sender waits.
    #[serde(default)]
    pub delivery: DeliverySpec,
    /// When a delivery from the inbox that failed is attempted again. Only with `delivery = "inbox"`.
    pub redelivery: Option<RedeliverySpec>,
    /// How jobs are found whose webhooks were never delivered. Only with `delivery = "inbox"`. Default: they are not.
    pub reconcile: Option<ReconcileSpec>,
    /// Where messages of the inbox are delivered: to each destination that they match. Only with `delivery = "inbox"`, and in
    /// place of `upstream`. Default: one destination with the name of the route, which gets all messages.
    #[serde(default)]
    pub destinations: Vec<DestinationSpec>,
    /// What is done with a verified message that matches no destination. Default: "keep".
    pub unmatched: Option<UnmatchedSpec>,
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
    #[serde(default, deserialize_with = "rate::in_flight")]
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
}
