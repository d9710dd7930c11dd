//! Headers that a route sends to its backends.

use std::fmt;

use http::{HeaderName, HeaderValue};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::hide::is_like_a_secret;
use super::secrets::SecretOrigin;
use super::stored_value::StoredTable;
use super::values::text;
use crate::trust::{are_alike, settable};

const FORM: &str = "a value is a text, or a secret by its name: { env = \"NAME\" } or { file = \"PATH\" }";

/// A header that a route sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetHeaderSpec {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValueSpec,
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValueSpec {
    /// This text.
    Text(HeaderValue),
    /// The text that is stored there.
    Stored(SecretOrigin),
}

/// Reads a table of names and values.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SetHeaderSpec>, D::Error> {
    deserializer.deserialize_map(Headers)
}

pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let stored = generator.subschema_for::<StoredTable>();
    json_schema!({
        "type": "object",
        "additionalProperties": { "anyOf": [{ "type": "string" }, stored] },
        "examples": [{ "x-api-key": { "env": "BACKEND_KEY" } }],
    })
}

struct Headers;

impl<'de> Visitor<'de> for Headers {
    type Value = Vec<SetHeaderSpec>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of header names and values, like { x-api-key = { env = \"BACKEND_KEY\" } }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut headers: Vec<SetHeaderSpec> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if let Some(other) = headers.iter().find(|header| are_alike(&header.name, &name)) {
                return Err(A::Error::custom(format!(
                    "a backend could mistake `{name}` for `{}`: remove one",
                    other.name
                )));
            }
            headers.push(SetHeaderSpec { name, value: map.next_value()? });
        }
        Ok(headers)
    }
}

struct Name(HeaderName);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "the name of a header", settable).map(Self)
    }
}

impl<'de> Deserialize<'de> for HeaderValueSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Value)
    }
}

struct Value;

impl<'de> Visitor<'de> for Value {
    type Value = HeaderValueSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a secret like { env = \"NAME\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HeaderValueSpec, E> {
        if text.split(' ').any(is_like_a_secret) {
            return Err(E::custom(format!("this value looks like a secret; {FORM}")));
        }
        let value = HeaderValue::from_str(text).map_err(|_| E::custom("the value is not one line of visible ASCII"))?;
        Ok(HeaderValueSpec::Text(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderValueSpec, A::Error> {
        let table = StoredTable::deserialize(MapAccessDeserializer::new(map))?;
        table.origin().map(HeaderValueSpec::Stored).ok_or_else(|| A::Error::custom(FORM))
    }
}
