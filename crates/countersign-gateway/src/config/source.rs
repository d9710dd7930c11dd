//! Sources: the keys and the replay policy of each sender.

use std::time::Duration;

use countersign::UnixTime;
use countersign::header::HeaderNames;
use countersign::verifier::DEFAULT_TOLERANCE;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problem;
use super::hide::is_like_a_secret;
use super::jwks::JwksSpec;
use super::key_path::KeyPath;
use super::public_keys::{self, PublicKeySpec};
use super::replay::ReplaySpec;
use super::secrets::SecretRef;
use super::token::TokenSpec;
use super::{duration, limits};

/// A sender: its keys, the tolerance for its timestamps, and its replay policy.
///
/// It needs at least one of `secrets`, `public_keys` and `jwks`. A request is authentic if it matches any of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "Source",
    extend("anyOf" = [{ "required": ["secrets"] }, { "required": ["public_keys"] }, { "required": ["jwks"] }])
)]
pub struct SourceConfig {
    /// The secrets that the sender signs with (`v1`, HMAC-SHA256). List the old and the new one during a rotation.
    #[serde(default)]
    pub secrets: Vec<SecretRef>,
    /// Pinned public keys of the sender (`v1a`, Ed25519).
    #[serde(default)]
    pub public_keys: Vec<PublicKeySpec>,
    /// A key set that the sender publishes. Its keys are used for `v1a`, and for tokens if `token` is set.
    pub jwks: Option<JwksSpec>,
    /// What a token (RS256) must contain. Default: tokens are rejected.
    pub token: Option<TokenSpec>,
    /// How far a timestamp may be from the time of arrival, in the past or the future, in whole seconds. Default: 5 min.
    #[serde(default = "default_tolerance", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub tolerance: Duration,
    /// How the sender names the three headers. Default: `webhook`.
    #[serde(default)]
    pub headers: HeadersSpec,
    /// How the message ids of this source are remembered, so that duplicates are not forwarded.
    #[serde(default)]
    pub replay: ReplaySpec,
}

/// How a sender names the three headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeadersSpec {
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    #[default]
    Webhook,
    /// `svix-id`, `svix-timestamp` and `svix-signature`.
    Svix,
    /// Either of these sets. A request with headers of both is rejected.
    Either,
}

impl HeadersSpec {
    /// The names, for a verifier.
    pub fn names(self) -> HeaderNames {
        match self {
            Self::Webhook => HeaderNames::Webhook,
            Self::Svix => HeaderNames::Svix,
            Self::Either => HeaderNames::Either,
        }
    }
}

fn default_tolerance() -> Duration {
    DEFAULT_TOLERANCE
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
