//! Pinned public keys.

use std::borrow::Cow;
use std::fmt;

use countersign::PublicKey;
use countersign::key::PublicKeyError;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::hide::is_like_a_secret;
use super::key_path::KeyPath;
use super::values::NonEmpty;

/// How a public key is written.
pub(super) const FORM: &str = "a public key is \"whpk_…\", or { key = \"whpk_…\", label = \"NAME\" }";

/// A pinned public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeySpec {
    /// The key, `whpk_…`.
    pub key: String,
    /// Its label in logs and headers. Default: its thumbprint.
    pub label: Option<String>,
}

impl PublicKeySpec {
    /// The key, with its label.
    ///
    /// # Errors
    ///
    /// The key is malformed or weak. A key that was read from a configuration is neither.
    pub fn parse(&self) -> Result<PublicKey, PublicKeyError> {
        let key = PublicKey::parse(&self.key)?;
        Ok(match &self.label {
            Some(label) => key.labelled(label.as_str()),
            None => key,
        })
    }
}

/// A public key with a label.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct Labelled {
    /// The key: `whpk_` and base64 of 32 bytes.
    #[schemars(regex(pattern = "^whpk_"))]
    key: NonEmpty,
    /// The label in logs and the header `countersign-key`: 1 to 64 visible ASCII characters. Default: the RFC 7638
    /// thumbprint of the key.
    label: Option<NonEmpty>,
}

impl<'de> Deserialize<'de> for PublicKeySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyOrTable)
    }
}

struct KeyOrTable;

impl<'de> Visitor<'de> for KeyOrTable {
    type Value = PublicKeySpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<PublicKeySpec, E> {
        PublicKey::parse(key).map_err(E::custom)?;
        Ok(PublicKeySpec { key: key.to_owned(), label: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PublicKeySpec, A::Error> {
        let Labelled { key, label } = Labelled::deserialize(MapAccessDeserializer::new(map))?;
        let label = label.map(|NonEmpty(label)| label);
        if label.as_deref().is_some_and(is_like_a_secret) {
            return Err(A::Error::custom("a label is shown, and this one looks like a secret"));
        }
        Ok(PublicKeySpec { label, ..self.visit_str(&key.0)? })
    }
}

impl JsonSchema for PublicKeySpec {
    fn schema_name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let labelled = generator.subschema_for::<Labelled>();
        json_schema!({
            "description": "An Ed25519 public key of the sender, for the `v1a` scheme.",
            "anyOf": [{ "type": "string", "pattern": "^whpk_" }, labelled],
        })
    }
}

/// Warns of keys that are listed twice.
pub(super) fn check(keys: &[PublicKeySpec], source: &str, warnings: &mut Vec<Problem>) {
    let mut known = Vec::new();
    for (position, spec) in keys.iter().enumerate() {
        let Ok(key) = PublicKey::parse(&spec.key) else { continue };
        if known.iter().any(|other| *other == key.label()) {
            let at = KeyPath::source(source).key("public_keys").entry(position);
            warnings.push(Problem::at(&at, "this public key is listed twice: remove one, or paste the right one"));
        }
        known.push(key.label().to_owned());
    }
}
