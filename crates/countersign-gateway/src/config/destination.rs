//! The destinations of a route with an inbox.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::balancing::{EjectSpec, HealthCheckSpec, RetrySpec};
use super::delivery::RedeliverySpec;
use super::events::Events;
use super::hide::is_like_a_secret;
use super::metadata::TextPattern;
use super::pull::PullSpec;
use super::rate::{self, RateSpec};
use super::set_headers::{self, SetHeaderSpec};
use super::upstream::{UpstreamSpec, UpstreamTlsSpec};
use super::values::text;
use super::{duration, targets};

/// Where messages of a route are delivered. A message is delivered to each destination that it matches. The keys about
/// upstreams, requests and retries mean the same as on a route; those that are left out are the ones of the route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Destination")]
pub struct DestinationSpec {
    /// Its name, which no other destination of any route has: letters, digits, `.`, `_` and `-`. Its deliveries are found by it
    /// after a restart.
    #[serde(deserialize_with = "name")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 64))]
    pub name: String,
    /// The event types that it gets: exact types, prefixes like `batch.*`, or `*`. A message whose signed body has no type is
    /// matched by `*` only. Default: all messages.
    pub events: Option<Events>,
    /// The `user_metadata` of the messages that it gets, by name: a text, or a pattern like `nightly-*`. All have to match.
    /// Default: any.
    #[serde(default)]
    pub metadata: BTreeMap<String, TextPattern>,
    /// Its backends: at least one, or else `pull`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub upstream: Vec<UpstreamSpec>,
    /// In place of `upstream`: its backend fetches the messages from the listener `pull` of `[server]`, because the gateway
    /// cannot reach it.
    pub pull: Option<PullSpec>,
    /// TLS towards upstreams with `https` or `h2`.
    pub upstream_tls: Option<UpstreamTlsSpec>,
    /// How the upstreams are checked.
    pub health_check: Option<HealthCheckSpec>,
    /// When an upstream that keeps failing is left out.
    pub eject: Option<EjectSpec>,
    /// When a request is sent to another upstream.
    pub retry: Option<RetrySpec>,
    /// The beginning of the route's path that is left out.
    #[serde(default, deserialize_with = "targets::strip_prefix")]
    #[schemars(schema_with = "targets::strip_prefix_schema")]
    pub strip_prefix: Option<String>,
    /// Headers that are sent to the backends, in place of those of the route.
    #[serde(default, deserialize_with = "headers")]
    #[schemars(schema_with = "set_headers::schema")]
    pub set_headers: Option<Vec<SetHeaderSpec>>,
    /// Whether requests get a signed assertion.
    pub assertion: Option<bool>,
    /// Whether the names of headers are sent in title case.
    pub title_case_headers: Option<bool>,
    /// When a delivery that failed is attempted again.
    pub redelivery: Option<RedeliverySpec>,
    /// How many deliveries are attempted at once. Default: 64.
    #[serde(default, deserialize_with = "rate::in_flight")]
    #[schemars(range(min = 1))]
    pub max_in_flight: Option<usize>,
    /// How many attempts are started, like "90/s". Default: no limit.
    pub rate: Option<RateSpec>,
    /// How many attempts are started at once. Only with `rate`. Default: the number of `rate`.
    #[serde(default, deserialize_with = "rate::burst")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<usize>,
    /// How long a backend may take until the head of its response, and between two parts of its body.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub upstream_timeout: Option<Duration>,
    /// How long a connection to a backend may be idle before it is not used again.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub upstream_idle_timeout: Option<Duration>,
    /// How long a backend may take to accept a connection.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub connect_timeout: Option<Duration>,
}

/// What is done with a verified message that matches no destination of its route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Unmatched")]
pub enum UnmatchedSpec {
    /// It is stored as a dead letter. If it is delivered again, it goes to the destinations that it matches then.
    #[default]
    Keep,
    /// It is rejected with 422 (`no_destination`).
    Reject,
}

impl<'de> Deserialize<'de> for UnmatchedSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"keep\" or \"reject\"", |text| match text {
            "keep" => Ok(Self::Keep),
            "reject" => Ok(Self::Reject),
            _ => Err("write \"keep\" or \"reject\""),
        })
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "a name like \"nightly\"", |name| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if is_like_a_secret(name) {
            return Err("a name is shown in metrics and logs, and this one looks like a secret");
        }
        match name.as_bytes() {
            [first, ..] if name.len() <= 64 && first.is_ascii_alphanumeric() && name.bytes().all(is_valid) => {
                Ok(name.to_owned())
            }
            _ => Err("a name has 1 to 64 letters, digits, `.`, `_` and `-`, and begins with a letter or digit"),
        }
    })
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<SetHeaderSpec>>, D::Error> {
    set_headers::deserialize(deserializer).map(Some)
}
