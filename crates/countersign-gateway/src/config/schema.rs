//! The JSON Schema of the configuration, generated from the types that read it.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The JSON Schema of this type: draft 7, which editors for TOML understand, indented, with a newline at the end.
pub(super) fn schema_of<T: JsonSchema>() -> String {
    let mut settings = SchemaSettings::draft07();
    settings.transforms.push(Box::new(RecursiveTransform(tidy)));
    let schema = settings.into_generator().into_root_schema_for::<T>();
    format!("{:#}\n", schema.as_value())
}

/// Adapts what is generated for Rust types to TOML and its readers.
fn tidy(schema: &mut Schema) {
    without_null(schema);
    // Names of Rust's integer types. `minimum` and `maximum` say the same.
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        // Only an empty line begins a paragraph.
        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
}

/// TOML has no null: a key without a value is left out.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(any_of)) = schema.get_mut("anyOf") {
        any_of.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
        if let [only] = any_of.as_slice() {
            // As for other references: errors then name the key that is wrong inside.
            let only = [only.clone()].into_iter().collect();
            schema.remove("anyOf");
            schema.insert("allOf".into(), only);
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}
