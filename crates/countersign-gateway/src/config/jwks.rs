//! Key sets that are fetched.

use std::time::Duration;

use countersign_jwks::{Config, JwksUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::authorities::AuthoritiesSpec;
use super::duration;
use super::error::Problem;
use super::jwks_proxy::JwksProxySpec;
use super::key_path::KeyPath;
use super::values::text;

/// How a key set is written.
pub(super) const FORM: &str = "a key set is { url = \"https://…\" }, with `max_stale`, `ca` and `proxy` if needed";
/// The shortest age up to which a set may serve: it is refreshed each minute at most.
const MIN_STALE: Duration = Duration::from_mins(2);

/// A key set (JWKS) that is fetched at the start and kept up to date. Sources with the same `url` share one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Jwks")]
pub struct JwksSpec {
    /// Where the sender publishes its keys: https, or http to a loopback address.
    #[serde(deserialize_with = "url")]
    #[schemars(with = "String", regex(pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"))]
    pub url: JwksUrl,
    /// How long keys are accepted after the last successful fetch, at least 2 min. Default: 1 day.
    #[serde(default = "default_max_stale", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub max_stale: Duration,
    /// The certificate authorities to trust: a PEM file, or "system" for those that this machine trusts. A relative path
    /// starts at the directory of this configuration. Default: the public ones, which are compiled in.
    #[serde(default)]
    pub ca: Option<AuthoritiesSpec>,
    /// The proxy (CONNECT) through which an https `url` is fetched: `http://host:port`, or "environment" for the one in
    /// `HTTPS_PROXY` or `https_proxy`, except for the hosts in `NO_PROXY` or `no_proxy`. A URL with credentials
    /// (`http://user:password@host:port`) is named: { env = "NAME" } or { file = "PATH" }. Default: none, whatever the
    /// environment says.
    #[serde(default)]
    pub proxy: Option<JwksProxySpec>,
}

impl JwksSpec {
    pub(super) fn check(&self, source: &str) -> Result<(), Problem> {
        if self.max_stale < MIN_STALE {
            let message = format!("`max_stale` is {MIN_STALE:?} at least: keys are fetched once a minute at most");
            return Err(Problem::at(&KeyPath::source(source).key("jwks").key("max_stale"), message));
        }
        Ok(())
    }
}

fn default_max_stale() -> Duration {
    Config::DEFAULT_MAX_STALE
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<JwksUrl, D::Error> {
    text(deserializer, "a URL like \"https://keys.example.com/jwks.json\"", JwksUrl::parse)
}
