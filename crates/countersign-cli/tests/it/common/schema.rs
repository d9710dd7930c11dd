//! A validator for the part of JSON Schema that `output.schema.json` uses.

use serde_json::{Map, Value};

/// Why `instance` does not conform to the definition of this name.
pub(crate) fn problem(schema: &Value, name: &str, instance: &Value) -> Option<String> {
    check(schema, &schema["$defs"][name], instance).err().map(|problem| format!("{name}{problem}"))
}

fn check(root: &Value, schema: &Value, instance: &Value) -> Result<(), String> {
    let schema = schema.as_object().ok_or("there is no schema for it")?;
    for (keyword, value) in schema {
        match keyword.as_str() {
            "$ref" => {
                let name = value.as_str().and_then(|name| name.strip_prefix("#/$defs/")).unwrap_or_default();
                check(root, &root["$defs"][name], instance)?;
            }
            "anyOf" => {
                let results = value.as_array().into_iter().flatten().map(|schema| check(root, schema, instance));
                let problems: Vec<_> = results.map(Result::err).collect();
                if problems.iter().all(Option::is_some) {
                    return Err(format!(" conforms to no variant: {problems:?}"));
                }
            }
            "type" => {
                let is = |name: &Value| name.as_str().is_some_and(|name| is_of(name, instance));
                if !is(value) && !value.as_array().is_some_and(|names| names.iter().any(is)) {
                    return Err(format!(" is {instance}, not {value}"));
                }
            }
            "const" if value != instance => return Err(format!(" is {instance}, not {value}")),
            "enum" if !value.as_array().is_some_and(|values| values.contains(instance)) => {
                return Err(format!(" is {instance}, none of {value}"));
            }
            "const" | "enum" | "description" => {}
            "items" => {
                for (index, item) in instance.as_array().into_iter().flatten().enumerate() {
                    check(root, value, item).map_err(|problem| format!("[{index}]{problem}"))?;
                }
            }
            "properties" | "required" | "additionalProperties" => members(root, schema, instance)?,
            keyword => return Err(format!(": the validator does not know `{keyword}`")),
        }
    }
    Ok(())
}

fn members(root: &Value, schema: &Map<String, Value>, instance: &Value) -> Result<(), String> {
    let Some(instance) = instance.as_object() else { return Ok(()) };
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !instance.contains_key(*name)) {
        return Err(format!(" has no `{missing}`"));
    }
    for (name, value) in instance {
        let named = schema.get("properties").and_then(|properties| properties.get(name));
        match named.or_else(|| schema.get("additionalProperties")) {
            Some(Value::Bool(false)) => return Err(format!(" has `{name}`, which is not in the schema")),
            Some(schema) if schema.is_object() => {
                check(root, schema, value).map_err(|problem| format!(".{name}{problem}"))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_of(name: &str, instance: &Value) -> bool {
    match name {
        "null" => instance.is_null(),
        "boolean" => instance.is_boolean(),
        "string" => instance.is_string(),
        "integer" => instance.is_u64() || instance.is_i64(),
        "number" => instance.is_number(),
        "array" => instance.is_array(),
        "object" => instance.is_object(),
        _ => false,
    }
}
