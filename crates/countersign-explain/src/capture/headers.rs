//! Headers in objects and lists, in the notation of JSON or of a programming language.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::json::{Node, Value};

const SHAPE: &str = "the headers are none of these: an object of text (or lists of text), a list of [name, value], of \
                     {\"name\": …, \"value\": …}, of \"name: value\", or of names and values in turn";

/// Reads the headers of an object or a list. A header that is `null` is left out.
pub(super) fn of_node(node: &Node) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    match &node.value {
        Value::Object(members) => {
            for member in members.iter().filter(|member| !member.name.starts_with("[Symbol(")) {
                for value in member.value.items().unwrap_or(std::slice::from_ref(&member.value)) {
                    let value = value.get("value").unwrap_or(value);
                    if value.value != Value::Word("null") {
                        append(&mut headers, &member.name, scalar(value).ok_or(SHAPE)?)?;
                    }
                }
            }
        }
        Value::Array(items) => of_list(items, &mut headers)?,
        _ => return Err(SHAPE.into()),
    }
    Ok(headers)
}

fn of_list(items: &[Node], headers: &mut HeaderMap) -> Result<(), String> {
    let texts: Option<Vec<_>> = items.iter().map(scalar).collect();
    if let Some(texts) = texts {
        let lines: Option<Vec<_>> = texts.iter().map(|text| text.split_once(": ")).collect();
        return match lines {
            Some(lines) => lines.iter().try_for_each(|(name, value)| append(headers, name, value)),
            // Node's `rawHeaders`.
            None if texts.len() % 2 == 0 => {
                texts.chunks_exact(2).try_for_each(|pair| append(headers, pair[0], pair[1]))
            }
            None => Err(SHAPE.into()),
        };
    }
    items.iter().try_for_each(|item| {
        // `{"webhook-id": "a"}`.
        if let Some([only]) = item.members() {
            return append(headers, &only.name, scalar(&only.value).ok_or(SHAPE)?);
        }
        let member = |names: [&str; 3]| names.iter().find_map(|name| item.get(name));
        let pair = match item.items() {
            Some([name, value]) => Some((name, value)),
            Some(_) => None,
            None => member(["name", "key", "Name"]).or(item.get("Key")).zip(member(["value", "Value", "values"])),
        };
        let (name, value) = pair.ok_or(SHAPE)?;
        let name = scalar(name).ok_or(SHAPE)?;
        let values = value.items().unwrap_or(std::slice::from_ref(value));
        values.iter().try_for_each(|value| append(headers, name, scalar(value).ok_or(SHAPE)?))
    })
}

/// Text, or a number or word as it is written.
fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Some(text),
        Value::Word(word) => Some(word),
        Value::Object(_) | Value::Array(_) => None,
    }
}

/// Adds a header.
pub(super) fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let shown = crate::shown::shown(name);
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| format!("`{shown}` is not a header name"))?;
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the value of `{name}` has a line break or control character, which HTTP cannot carry"))?;
    headers.try_append(name, value).map(drop).map_err(|_| "more headers than a request can have".into())
}
