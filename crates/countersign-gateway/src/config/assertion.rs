//! The signed assertion for backends.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::duration;
use super::error::Problem;
use super::key_path::KeyPath;
use super::secrets::SecretOrigin;
use super::stored_value::StoredTable;
use super::values::NonEmpty;

/// The default of `lifetime`.
const LIFETIME: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(24);
/// A longer one makes a header that servers reject.
const MAX_TEXT: usize = 256;

/// The assertion that routes with `assertion = true` add to requests: a JWT in `countersign-assertion`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Assertion")]
pub struct AssertionSpec {
    /// The claim `iss`, for example the URL of the gateway.
    issuer: NonEmpty,
    /// The claim `aud`. Default: none.
    audience: Option<NonEmpty>,
    /// The private key: Ed25519 or P-256, as PKCS#8 in PEM. Default: a random Ed25519 key for each process.
    #[serde(default, deserialize_with = "key")]
    #[schemars(with = "Option<StoredTable>")]
    pub key: Option<SecretOrigin>,
    /// How long an assertion is valid, from 1 s to 24 h. Default: 60 s.
    #[serde(default = "default_lifetime", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub lifetime: Duration,
}

fn default_lifetime() -> Duration {
    LIFETIME
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretOrigin>, D::Error> {
    let origin = StoredTable::deserialize(deserializer)?.origin();
    let form = "a private key is not written here but named: { file = \"PATH\" } or { env = \"NAME\" }";
    origin.map(Some).ok_or_else(|| D::Error::custom(form))
}

impl AssertionSpec {
    /// The claim `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer.0
    }

    /// The claim `aud`.
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_ref().map(|audience| audience.0.as_str())
    }

    /// Rejects values that cannot work, and warns if no route asks for assertions.
    pub(super) fn check(&self, is_used: bool, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let at = KeyPath::assertion();
        for (name, text) in [("issuer", Some(self.issuer())), ("audience", self.audience())] {
            if text.is_some_and(|text| text.len() > MAX_TEXT) {
                let message = format!("`{name}` is longer than {MAX_TEXT} bytes: shorten it");
                return Err(Problem::at(&at.key(name), message));
            }
        }
        if !(Duration::from_secs(1)..=LONGEST).contains(&self.lifetime) {
            return Err(Problem::at(&at.key("lifetime"), "`lifetime` is not between 1 s and 24 h: write \"60s\""));
        }
        if !is_used {
            warnings.push(Problem::at(&at, "no route has `assertion = true`, so no assertion is signed"));
        }
        Ok(())
    }
}
