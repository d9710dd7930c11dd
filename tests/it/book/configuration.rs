//! The reference of the configuration, from the JSON Schema.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use countersign_gateway::config::Config;
use serde_json::{Map, Value};

/// The page, with this note below its title.
pub(super) fn page(note: &str) -> String {
    let schema: Value = serde_json::from_str(&Config::schema()).expect("a schema");
    let mut page = format!(
        "# Configuration\n\n{note}All keys of `gateway.toml`. `countersign-gateway --schema` prints the same as a JSON \
         Schema, which editors use to complete and check the file. `--check` reads a file and names the line of each \
         mistake.\n"
    );
    let mut seen = BTreeSet::new();
    let mut tables = VecDeque::from([(Vec::new(), &schema)]);
    while let Some((path, table)) = tables.pop_front() {
        let properties = table["properties"].as_object();
        if let Some(properties) = properties.filter(|_| !path.is_empty()) {
            section(&mut page, &path, table, properties);
        }
        for (key, value) in properties.into_iter().flatten() {
            for name in references(value) {
                if seen.insert(name) {
                    let path = [path.as_slice(), &[key.as_str()]].concat();
                    tables.push_back((path, &schema["definitions"][name]));
                }
            }
        }
        // What a choice of forms leads to belongs to the same key.
        for name in alternatives(table) {
            if seen.insert(name) {
                tables.push_back((path.clone(), &schema["definitions"][name]));
            }
        }
    }
    page
}

fn section(page: &mut String, path: &[&str], table: &Value, properties: &Map<String, Value>) {
    let (last, above) = path.split_last().expect("a key");
    let above = if above.is_empty() { String::new() } else { format!(" in `{}`", above.join(".")) };
    let _ = writeln!(page, "\n## `{last}`{above}\n");
    if let Some(description) = table["description"].as_str() {
        let _ = writeln!(page, "{description}\n");
    }
    let required: BTreeSet<_> = table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    page.push_str("| key | meaning |\n| --- | --- |\n");
    for (key, value) in properties {
        let needed = if required.contains(key.as_str()) { " Required." } else { "" };
        let meaning = value["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(page, "| `{key}` | {meaning}{needed} |");
    }
}

/// The definitions that the value of a key may have.
fn references(value: &Value) -> Vec<&str> {
    let parts = [Some(value), value.get("items"), value.get("additionalProperties")];
    parts.into_iter().flatten().flat_map(|part| reference(part).into_iter().chain(alternatives(part))).collect()
}

fn alternatives(value: &Value) -> Vec<&str> {
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| value[key].as_array());
    lists.flatten().flat_map(references).collect()
}

fn reference(value: &Value) -> Option<&str> {
    value["$ref"].as_str()?.strip_prefix("#/definitions/")
}
