//! Sources: the keys and the replay policy of each sender.

use std::borrow::Cow;
use std::time::Duration;

use countersign::UnixTime;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::error::Problem;
use super::hide::is_like_a_secret;
use super::jwks::JwksSpec;
use super::key_path::KeyPath;
use super::presets::{PresetSpec, values_of};
use super::public_keys::{self, PublicKeySpec};
use super::replay::{ReplaySpec, ReplayTable};
use super::secrets::SecretRef;
use super::sender::{DuplicatesSpec, HeadersSpec};
use super::token::TokenSpec;
use super::{duration, limits};

/// A sender: its keys, the tolerance for its timestamps, and its replay policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SourceTable")]
pub struct SourceConfig {
    /// The secrets that the sender signs with.
    pub secrets: Vec<SecretRef>,
    /// Pinned public keys of the sender.
    pub public_keys: Vec<PublicKeySpec>,
    /// A key set that the sender publishes.
    pub jwks: Option<JwksSpec>,
    /// What a token must contain.
    pub token: Option<TokenSpec>,
    /// How far a timestamp may be from the time of arrival.
    pub tolerance: Duration,
    /// How the sender names the three headers.
    pub headers: HeadersSpec,
    /// How the message ids of this source are remembered.
    pub replay: ReplaySpec,
    /// What is done with a message that was handled before.
    pub duplicates: DuplicatesSpec,
}

/// A sender: its keys, the tolerance for its timestamps, and its replay policy.
///
/// It needs at least one of `secrets`, `public_keys` and `jwks`. A request is authentic if it matches any of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "Source",
    extend("anyOf" = [{ "required": ["secrets"] }, { "required": ["public_keys"] }, { "required": ["jwks"] }])
)]
struct SourceTable {
    /// A known sender, whose values are used for `headers`, `tolerance`, `duplicates`, `replay.retain` and the `encoding` of
    /// secrets where they are not written. Default: "standard".
    preset: Option<PresetSpec>,
    /// The secrets that the sender signs with (`v1`, HMAC-SHA256). List the old and the new one during a rotation.
    #[serde(default)]
    secrets: Vec<SecretRef>,
    /// Pinned public keys of the sender (`v1a`, Ed25519).
    #[serde(default)]
    public_keys: Vec<PublicKeySpec>,
    /// A key set that the sender publishes. Its keys are used for `v1a`, and for tokens if `token` is set.
    jwks: Option<JwksSpec>,
    /// What a token (RS256) must contain. Default: tokens are rejected.
    token: Option<TokenSpec>,
    /// How far a timestamp may be from the time of arrival, in the past or the future, in whole seconds. Default: that of
    /// the `preset`, or 5 min.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    tolerance: Option<Duration>,
    /// How the sender names the three headers. Default: that of the `preset`, or "webhook".
    headers: Option<HeadersSpec>,
    /// How the message ids of this source are remembered, so that duplicates are not forwarded.
    #[serde(default)]
    replay: ReplayTable,
    /// What is done with a message that was handled before. Default: that of the `preset`, or "acknowledge".
    duplicates: Option<DuplicatesSpec>,
}

impl From<SourceTable> for SourceConfig {
    fn from(table: SourceTable) -> Self {
        let preset = values_of(table.preset);
        let encoded = |secret: SecretRef| SecretRef { encoding: secret.encoding.or(Some(preset.encoding)), ..secret };
        Self {
            secrets: table.secrets.into_iter().map(encoded).collect(),
            public_keys: table.public_keys,
            jwks: table.jwks,
            token: table.token,
            tolerance: table.tolerance.unwrap_or(preset.tolerance),
            headers: table.headers.unwrap_or(preset.headers),
            replay: table.replay.or_retain(preset.retain),
            duplicates: table.duplicates.unwrap_or(preset.duplicates),
        }
    }
}

impl JsonSchema for SourceConfig {
    fn schema_name() -> Cow<'static, str> {
        SourceTable::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SourceTable::json_schema(generator)
    }
}

impl SourceConfig {
    /// Rejects values that cannot work, and warns of values that are probably not meant.
    pub(super) fn check(&self, name: &str, now: UnixTime, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let at = KeyPath::source(name);
        if is_like_a_secret(name) {
            return Err(Problem::at(&at, "the name of a source is shown, and this one looks like a secret"));
        }
        if self.secrets.is_empty() && self.public_keys.is_empty() && self.jwks.is_none() {
            let message =
                format!("the source `{name}` has no secrets, no public_keys and no jwks, so nothing could be verified");
            return Err(Problem::at(&at, message));
        }
        self.check_tolerance(&at, warnings)?;
        public_keys::check(&self.public_keys, name, warnings);
        if let Some(token) = &self.token {
            token.check(name, self.jwks.is_some(), warnings)?;
        }
        if let Some(jwks) = &self.jwks {
            jwks.check(name)?;
        }
        self.replay.check(name, warnings);
        let is_expired = |secret: &SecretRef| secret.expires_at.is_some_and(|at| at <= now);
        if !self.secrets.is_empty() && self.secrets.iter().all(is_expired) {
            let message = format!(
                "all secrets of `{name}` have expired, so requests signed with them are rejected: add the current one"
            );
            warnings.push(Problem::at(&at.key("secrets").entry(0), message));
        }
        Ok(())
    }

    fn check_tolerance(&self, at: &KeyPath, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        if self.tolerance.subsec_nanos() > 0 {
            let message = "timestamps have whole seconds, and so has the tolerance: \"1s\" at least";
            return Err(Problem::at(&at.key("tolerance"), message));
        }
        let why = "for that long, a request that somebody captured can be sent elsewhere, and clocks may differ; the \
                   default is 5 minutes";
        let usual = Duration::from_secs(5)..=Duration::from_hours(1);
        limits::warn_outside(at, "tolerance", self.tolerance, usual, why, warnings);
        Ok(())
    }
}
