//! The text of a request: what its job is asked to do, and how much memory it takes.

use serde_json::Value;

/// A request with this in one of its texts fails.
pub(crate) const FAIL: &str = "[[fail]]";
/// A batch with this in one of its texts, or in its name, expires.
pub(crate) const EXPIRE: &str = "[[expire]]";

/// An interaction with this in one of its texts ends before its output is complete.
pub(crate) const INCOMPLETE: &str = "[[incomplete]]";
/// An interaction with this in one of its texts exceeds its budget.
pub(crate) const EXCEED_BUDGET: &str = "[[exceed_budget]]";

/// The text of a request, from every depth: contents, prompts and tool results, but not their labels such
/// as a role or a type.
pub(crate) fn all_text(value: &Value) -> String {
    fn collect(value: &Value, is_text: bool, all: &mut String) {
        match value {
            Value::String(text) if is_text => {
                all.push_str(text);
                all.push('\n');
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, is_text, all)),
            Value::Object(members) => {
                for (name, value) in members {
                    let is_text = match (name.as_str(), value) {
                        ("text" | "prompt", Value::String(_)) | ("result", _) => true,
                        // The contents of a tool result have a type, like all contents.
                        ("type", _) => false,
                        _ => is_text,
                    };
                    collect(value, is_text, all);
                }
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut all = String::new();
    collect(value, false, &mut all);
    all
}

/// Roughly how many bytes of memory a value takes.
pub(crate) fn memory(value: &Value) -> usize {
    const NODE: usize = 96;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(memory).sum(),
        // A map has room for more members than it has.
        Value::Object(members) => {
            NODE * 8 + members.iter().map(|(name, value)| name.len() + memory(value)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_leaves_out_labels() {
        let contents = json!([{ "role": "user", "parts": [{ "text": "Say" }, { "text": "hello." }] }]);
        assert_eq!(all_text(&contents), "Say\nhello.\n");
        let steps = json!([
            { "type": "user_input", "content": [{ "type": "text", "text": "Look." }] },
            { "type": "function_result", "call_id": "call_1", "name": "look", "result": { "sky": ["clear"], "temp": 20 } },
            { "type": "function_result", "call_id": "call_2", "name": "look", "result": [{ "type": "text", "text": "20" }] },
            { "type": "function_result", "call_id": "call_3", "name": "look", "result": "dark" },
        ]);
        assert_eq!(all_text(&steps), "Look.\nclear\n20\ndark\n");
        assert_eq!(all_text(&json!([{ "prompt": "A cat.", "image": { "mimeType": "image/png" } }])), "A cat.\n");
        // A schema may have a property of that name.
        assert_eq!(all_text(&json!({ "properties": { "text": { "type": "string" } } })), "");
    }
}
