//! Which certificate authorities are trusted.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::values::text;

const SYSTEM: &str = "system";

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthoritiesSpec {
    /// Those that this machine trusts.
    System,
    /// Those in this PEM file.
    File(String),
}

impl AuthoritiesSpec {
    /// The file, if there is one.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::System => None,
            Self::File(file) => Some(file),
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "" => Err("name a PEM file, or write \"system\" for the authorities that this machine trusts"),
            SYSTEM => Ok(Self::System),
            file => Ok(Self::File(file.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for AuthoritiesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "the path of a PEM file, or \"system\"", Self::parse)
    }
}

impl JsonSchema for AuthoritiesSpec {
    fn schema_name() -> Cow<'static, str> {
        "Authorities".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A PEM file with certificate authorities, or \"system\" for those that this machine trusts. A relative path starts at the directory of this configuration.",
            "type": "string",
            "minLength": 1,
            "examples": ["company-ca.pem", "system"],
        })
    }
}
