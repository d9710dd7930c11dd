//! References to secrets: a configuration names a secret and never contains one.

use std::fmt;
use std::path::Path;

use countersign::UnixTime;
use countersign_senders::SecretForm;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::hide;
use super::values::{NonEmpty, text};

/// How a secret is named.
pub(super) const FORM: &str = "a secret is not written here but named: { env = \"NAME\" } or { file = \"PATH\" }, with \
                               `label`, `expires_at` and `encoding` if needed";
const A_TIME: &str = "write a time in UTC, like \"2026-11-21T12:00:00Z\"";

/// Where to read a secret, and its label and expiry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SecretTable")]
pub struct SecretRef {
    /// Where the secret is stored.
    pub origin: SecretOrigin,
    /// Its label in logs and headers. Default: the name of the variable or file.
    pub label: Option<String>,
    /// When it expires. Default: never.
    pub expires_at: Option<UnixTime>,
    /// How its text becomes a key. Default: that of the source's preset, or base64.
    pub encoding: Option<EncodingSpec>,
}

/// How the text of a secret becomes the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Encoding")]
pub enum EncodingSpec {
    /// An optional `whsec_` and base64.
    #[default]
    Base64,
    /// The text is the key, at least 16 bytes, whatever it looks like.
    Raw,
    /// Base64 after `whsec_`. Without `whsec_`, the text is the key, as for "raw".
    Prefix,
    /// As "base64", with an optional `v1,` in front.
    Versioned,
}

impl EncodingSpec {
    /// The form of the text.
    pub fn form(self) -> SecretForm {
        match self {
            Self::Base64 => SecretForm::Base64,
            Self::Raw => SecretForm::Raw,
            Self::Prefix => SecretForm::Prefix,
            Self::Versioned => SecretForm::Versioned,
        }
    }
}

impl<'de> Deserialize<'de> for EncodingSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "the encoding of a secret, like \"base64\" or \"raw\"", |text| match text {
            "base64" => Ok(Self::Base64),
            "raw" => Ok(Self::Raw),
            "prefix" => Ok(Self::Prefix),
            "versioned" => Ok(Self::Versioned),
            _ => Err("write \"base64\", \"raw\", \"prefix\" or \"versioned\""),
        })
    }
}

/// Where a secret is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretOrigin {
    /// The environment variable with this name.
    Env(String),
    /// The file at this path, relative to the directory of the configuration.
    File(String),
}

impl fmt::Debug for SecretOrigin {
    /// Hides a secret that was pasted in place of a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => f.debug_tuple("Env").field(&hide::variable(name)).finish(),
            Self::File(path) => f.debug_tuple("File").field(&hide::path(path, Path::new(""))).finish(),
        }
    }
}

/// A secret, named and never written: either an environment variable or a file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Secret", extend("oneOf" = [{ "required": ["env"] }, { "required": ["file"] }]))]
struct SecretTable {
    /// The environment variable that contains the secret.
    env: Option<NonEmpty>,
    /// The file that contains the secret, at most 64 KiB. A relative path starts at the directory of this configuration.
    /// One newline at the end is ignored.
    file: Option<NonEmpty>,
    /// The label in logs, metrics and the header `countersign-key`: 1 to 64 visible ASCII characters. Default: the name of
    /// the variable or file.
    label: Option<NonEmpty>,
    /// When the secret stops being accepted, in UTC. Default: never.
    #[serde(default, deserialize_with = "expiry")]
    #[schemars(schema_with = "time")]
    expires_at: Option<UnixTime>,
    /// How the text becomes the key. Default: that of the source's `preset`, or "base64".
    encoding: Option<EncodingSpec>,
}

impl TryFrom<SecretTable> for SecretRef {
    type Error = &'static str;

    fn try_from(SecretTable { env, file, label, expires_at, encoding }: SecretTable) -> Result<Self, &'static str> {
        let origin = match (env, file) {
            (Some(NonEmpty(name)), None) => SecretOrigin::Env(name),
            (None, Some(NonEmpty(path))) => SecretOrigin::File(path),
            _ => return Err(FORM),
        };
        let label = label.map(|NonEmpty(label)| label);
        if label.as_deref().is_some_and(hide::is_like_a_secret) {
            return Err("a label is shown, and this one looks like a secret");
        }
        Ok(Self { origin, label, expires_at, encoding })
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        SecretTable::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretTable::json_schema(generator)
    }
}

fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "examples": ["2026-11-21T12:00:00Z"] })
}

fn expiry<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixTime>, D::Error> {
    deserializer.deserialize_any(Expiry).map(Some)
}

/// A time in RFC 3339, as a string or as a date of TOML.
struct Expiry;

impl<'de> Visitor<'de> for Expiry {
    type Value = UnixTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in UTC, like \"2026-11-21T12:00:00Z\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<UnixTime, E> {
        humantime::parse_rfc3339(text).map(UnixTime::from).map_err(|_| E::custom(A_TIME))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UnixTime, A::Error> {
        let time = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map));
        self.visit_str(&time.map_err(|_| A::Error::custom(A_TIME))?.to_string())
    }
}
