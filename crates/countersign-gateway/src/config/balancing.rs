//! How requests are shared among the upstreams of a route, and when they are sent again.

use std::time::Duration;

use http::uri::PathAndQuery;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::hide::is_like_a_secret;
use super::key_path::KeyPath;
use super::targets::PATH_LIKE_A_SECRET;
use super::upstream::{UpstreamSpec, UpstreamTlsSpec};
use super::values::{count, text};
use super::{duration, limits};

/// The keys of a route that decide which upstream gets a request. Routes with equal ones share the health of the
/// upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancingSpec {
    /// The upstreams.
    pub upstream: Vec<UpstreamSpec>,
    /// TLS towards them.
    pub tls: Option<UpstreamTlsSpec>,
    /// When an upstream that keeps failing is left out.
    pub eject: EjectSpec,
    /// How upstreams are checked.
    pub health_check: Option<HealthCheckSpec>,
}

/// When an upstream that keeps failing is left out, on a route with several upstream addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Eject")]
pub struct EjectSpec {
    /// How many requests have to fail in a row: the connection fails or is closed without a response, or
    /// `upstream_timeout` ends. 0 turns ejection off. Default: 3.
    #[serde(default = "default_after", deserialize_with = "after")]
    #[schemars(range(min = 0, max = 1000))]
    pub after: usize,
    /// How long it gets no requests. Then a single request tries it. The time doubles with each failed try. Default: 10 s.
    #[serde(rename = "for", default = "default_for", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub base: Duration,
    /// The longest time without requests. Default: 5 min.
    #[serde(default = "default_max", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub max: Duration,
}

impl Default for EjectSpec {
    fn default() -> Self {
        Self { after: default_after(), base: default_for(), max: default_max() }
    }
}

fn default_after() -> usize {
    3
}

fn default_for() -> Duration {
    Duration::from_secs(10)
}

fn default_max() -> Duration {
    Duration::from_mins(5)
}

fn after<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(deserializer, 0..=1000, "write a number of failures from 1 to 1000, or 0 to turn ejection off")
}

impl EjectSpec {
    /// Whether upstreams are ejected at all.
    pub fn is_on(&self) -> bool {
        self.after > 0
    }

    pub(super) fn check(&self, at: &KeyPath) -> Result<(), Problem> {
        if self.max < self.base {
            let message = format!(
                "an ejection lasts {:?} at first, and no longer than {:?}: use a shorter `for` or a longer `max`",
                self.base, self.max
            );
            return Err(Problem::at_first([at.key("max"), at.key("for")], message));
        }
        Ok(())
    }
}

/// How upstreams are checked while no requests are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HealthCheck")]
pub struct HealthCheckSpec {
    /// The path of a `GET` request, to which a healthy upstream responds with 2xx. The paths of `upstream` do not count.
    /// Default: an upstream is healthy if it accepts a connection.
    #[serde(default, deserialize_with = "path")]
    #[schemars(schema_with = "path_schema")]
    pub path: Option<PathAndQuery>,
    /// The time between two checks. Default: 5 s.
    #[serde(default = "default_every", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub every: Duration,
    /// How long a check may take. Default: 1 s.
    #[serde(default = "default_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub timeout: Duration,
}

fn default_every() -> Duration {
    Duration::from_secs(5)
}

fn default_timeout() -> Duration {
    Duration::from_secs(1)
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathAndQuery>, D::Error> {
    let path = text(deserializer, "a path like \"/healthz\"", |text| match PathAndQuery::try_from(text) {
        Ok(path) if text.starts_with('/') && !text.contains('#') => Ok(path),
        _ => Err("a path begins with a slash, like \"/healthz\""),
    });
    path.map(Some)
}

fn path_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^/[^#]*$", "examples": ["/healthz"] })
}

impl HealthCheckSpec {
    pub(super) fn check(&self, at: &KeyPath, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        if self.timeout > self.every {
            let message = format!(
                "a check may take {:?}, but another one is due after {:?}: use a shorter `timeout` or a longer `every`",
                self.timeout, self.every
            );
            return Err(Problem::at_first([at.key("timeout"), at.key("every")], message));
        }
        if self.path.as_ref().is_some_and(|path| is_like_a_secret(path.as_str())) {
            warnings.push(Problem::at(&at.key("path"), PATH_LIKE_A_SECRET));
        }
        let usual = Duration::from_millis(500)..=Duration::from_mins(5);
        let why = "each address of the upstreams gets a request that often; the default is 5 s";
        limits::warn_outside(at, "every", self.every, usual, why, warnings);
        Ok(())
    }
}

/// When a request that got no response is sent to another upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Retry")]
pub enum RetrySpec {
    /// If nothing of it was sent.
    #[default]
    Unsent,
    /// Also once after `upstream_timeout`, or if the connection was closed without a response. Two backends may then handle
    /// the same message, so they have to recognise its id.
    Idempotent,
}

impl<'de> Deserialize<'de> for RetrySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"unsent\" or \"idempotent\"", |text| match text {
            "unsent" => Ok(Self::Unsent),
            "idempotent" => Ok(Self::Idempotent),
            _ => Err("write \"unsent\" or \"idempotent\""),
        })
    }
}
