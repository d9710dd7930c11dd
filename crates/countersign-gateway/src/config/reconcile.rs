//! How a route finds jobs whose webhooks were never delivered.

use std::time::Duration;

use countersign_inbox::Keep;
use countersign_reconcile::BaseUrl;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::authorities::AuthoritiesSpec;
use super::delivery::DeliverySpec;
use super::error::Problem;
use super::jwks_proxy::JwksProxySpec;
use super::key_path::{KeyPath, Step};
use super::secrets::SecretOrigin;
use super::stored_value::StoredTable;
use super::values::text;
use super::{duration, limits};

/// How the table is written.
const FORM: &str = "jobs are asked for with { api_key = { env = \"GEMINI_API_KEY\" } }, with `every`, `since`, `grace`, \
                               `hand_over`, `base_url`, `ca` and `proxy` if needed";
/// How its API key is written.
const KEY_FORM: &str = "an API key is not written here but named: { env = \"NAME\" } or { file = \"PATH\" }";
const MIN_EVERY: Duration = Duration::from_secs(1);

/// Asks the Gemini API which jobs have ended, and compares them with what the inbox has received. Only with
/// `delivery = "inbox"`.
///
/// The API lists batches. Interactions and videos are not listed: an interaction is asked for if the inbox has received
/// that it requires action.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reconcile")]
pub struct ReconcileSpec {
    /// The API key of the project, named and never written: { env = "NAME" } or { file = "PATH" }.
    #[serde(deserialize_with = "stored")]
    #[schemars(with = "StoredTable")]
    pub api_key: SecretOrigin,
    /// How often the API is asked. Default: 15 min.
    #[serde(default = "default_every", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub every: Duration,
    /// How far back a job may have ended. It must be shorter than the 7 days for which deliveries are kept. Default: 3 days.
    #[serde(default = "default_since", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub since: Duration,
    /// How long after its end a job is missing, if nothing was delivered. Until then, a delivery may be on its way.
    /// Default: 1 h.
    #[serde(default = "default_grace", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub grace: Duration,
    /// Whether an event about a missing job is delivered to the backend, with `countersign-verdict: polled`. It has no
    /// signature, and no assertion. Default: false, missing jobs are logged and counted.
    #[serde(default)]
    pub hand_over: bool,
    /// Where the API is, as in an SDK: https, or http to a loopback address. Default: that of the Gemini API.
    #[serde(default, deserialize_with = "base_url")]
    #[schemars(with = "String", regex(pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"))]
    pub base_url: ApiUrl,
    /// The certificate authorities to trust: a PEM file, or "system" for those that this machine trusts. A relative path
    /// starts at the directory of this configuration. Default: the public ones, which are compiled in.
    #[serde(default)]
    pub ca: Option<AuthoritiesSpec>,
    /// The proxy (CONNECT) through which an https `base_url` is asked: `http://host:port`, or "environment" for the one in
    /// `HTTPS_PROXY` or `https_proxy`, except for the hosts in `NO_PROXY` or `no_proxy`. A URL with credentials
    /// (`http://user:password@host:port`) is named: { env = "NAME" } or { file = "PATH" }. Default: none, whatever the
    /// environment says.
    #[serde(default)]
    pub proxy: Option<JwksProxySpec>,
}

/// Where the API is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiUrl(pub BaseUrl);

impl serde::Serialize for ApiUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl ReconcileSpec {
    pub(super) fn check(
        &self,
        at: &KeyPath,
        delivery: DeliverySpec,
        warnings: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        if delivery != DeliverySpec::Inbox {
            let message = "`reconcile` is for `delivery = \"inbox\"`: in direct mode, nothing is kept to compare with";
            return Err(Problem::at(at, message));
        }
        if self.every < MIN_EVERY {
            return Err(Problem::at(&at.key("every"), "the API is asked once a second at most: write a longer time"));
        }
        if self.since >= Keep::default().done {
            let message =
                "deliveries are kept for 7 days, and older ones would seem to be missing: write a shorter time";
            return Err(Problem::at(&at.key("since"), message));
        }
        if self.grace >= self.since {
            let message = format!("no job is looked at: it must be shorter than `since`, which is {:?}", self.since);
            return Err(Problem::at(&at.key("grace"), message));
        }
        let why = "each run reads the list of batches, and the API has a quota; the default is 15 minutes";
        let usual = Duration::from_mins(1)..=Duration::from_hours(24);
        limits::warn_outside(at, "every", self.every, usual, why, warnings);
        Ok(())
    }
}

fn default_every() -> Duration {
    Duration::from_mins(15)
}

fn default_since() -> Duration {
    Duration::from_hours(72)
}

fn default_grace() -> Duration {
    Duration::from_hours(1)
}

fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretOrigin, D::Error> {
    StoredTable::deserialize(deserializer)?.origin().ok_or_else(|| D::Error::custom(KEY_FORM))
}

/// How the table is written, or the key below it, for errors.
pub(super) fn form(below: &[Step]) -> Option<&'static str> {
    match below {
        [] => Some(FORM),
        [Step::Key(key), ..] if key == "api_key" => Some(KEY_FORM),
        _ => None,
    }
}

fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiUrl, D::Error> {
    text(deserializer, "a URL like \"https://generativelanguage.googleapis.com\"", |text| text.parse().map(ApiUrl))
}
