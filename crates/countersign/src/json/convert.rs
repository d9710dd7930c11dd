//! Converts values to `serde_json`.

use serde_json::{Map, Number};

use super::{Object, Value};

impl Value<'_> {
    /// Converts the value. Returns `None` if it contains a number that `serde_json` cannot represent.
    pub(crate) fn into_serde(self) -> Option<serde_json::Value> {
        Some(match self {
            Self::Literal("null") => serde_json::Value::Null,
            Self::Literal(name) => (name == "true").into(),
            Self::Number(text) => serde_json::Value::Number(to_number(text)?),
            Self::String(text) => text.into_owned().into(),
            Self::Array(items) => items.into_iter().map(Self::into_serde).collect::<Option<Vec<_>>>()?.into(),
            Self::Object(object) => object.into_serde()?.into(),
        })
    }
}

impl Object<'_> {
    /// Converts the object. If a name is repeated, the last member is kept.
    pub(crate) fn into_serde(self) -> Option<Map<String, serde_json::Value>> {
        self.0.into_iter().map(|(name, value)| Some((name.into_owned(), value.into_serde()?))).collect()
    }
}

pub(super) fn is_representable(number: &str) -> bool {
    to_number(number).is_some()
}

/// Converts a number. Returns `None` if it is too large.
fn to_number(text: &str) -> Option<Number> {
    serde_json::from_str(text).ok()
}
