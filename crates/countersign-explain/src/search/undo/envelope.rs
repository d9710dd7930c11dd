//! Bodies inside JSON: the events of queues, topics and functions.

use super::lists::bytes_of;
use super::wrapped::WRAPPED;
use crate::encoded;
use crate::json::{self, Node, Value};
use crate::search::step::{Variant, Variants, one, text};

/// How many members are tried.
const MAX_MEMBERS: usize = 48;
/// Shorter texts are not a body.
const MIN_LEN: usize = 2;
/// Shorter texts are words, not base64.
const MIN_ENCODED: usize = 16;

/// Each member that may be a body: text, or an object as it is written. All events of queues, topics and functions are
/// such envelopes.
pub(in super::super) fn members(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body) else { return one(None) };
    let is_list = text.trim_start().starts_with(['{', '[']);
    let Some(node) = is_list.then(|| json::parse(text)).flatten() else { return one(None) };
    let mut found = Vec::new();
    collect(&node, text, "", &mut found);
    // The likely names first; the order of the text otherwise.
    found.sort_by_key(|(path, _)| {
        let name = path.rsplit('.').next().unwrap_or_default();
        let names = ["body", "Message", "rawBody", "payload", "data", "detail", "value", "Body"];
        names.iter().position(|known| *known == name).unwrap_or(names.len())
    });
    Box::new(found.into_iter().take(MAX_MEMBERS).map(|(_, variant)| variant))
}

fn collect(node: &Node, text: &str, path: &str, found: &mut Vec<(String, Variant)>) {
    let visit = |name: &str, value: &Node, found: &mut Vec<(String, Variant)>| {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let once = format!("`{}` is read as the body", crate::shown::shown(&path));
        match &value.value {
            Value::Text(inner) if inner.len() >= MIN_LEN => {
                let encoded =
                    Some(inner).filter(|inner| inner.len() >= MIN_ENCODED).and_then(|inner| encoded::base64(inner));
                found.extend(encoded.map(|bytes| {
                    let once = format!("{once}, decoded from base64");
                    (path.clone(), WRAPPED.variant(once, bytes))
                }));
                found.push((path, WRAPPED.variant(once, inner.clone())));
            }
            Value::Object(_) | Value::Array(_) => {
                let raw = text[value.span.clone()].to_owned();
                let bytes = bytes_of(value).filter(|bytes| bytes.len() > 4);
                found.extend(bytes.map(|bytes| (path.clone(), WRAPPED.variant(once.clone(), bytes))));
                found.push((path.clone(), WRAPPED.variant(once, raw)));
                if found.len() < 4 * MAX_MEMBERS {
                    collect(value, text, &path, found);
                }
            }
            _ => {}
        }
    };
    match &node.value {
        Value::Object(members) => members.iter().for_each(|member| visit(&member.name, &member.value, found)),
        Value::Array(items) => {
            items.iter().take(MAX_MEMBERS).enumerate().for_each(|(at, item)| visit(&at.to_string(), item, found));
        }
        _ => {}
    }
}

/// A body that a form parser took for a key: `{"{\"type\":…}":""}`, also where it was cut at `=` and `&`.
pub(in super::super) fn names_as_body(body: &[u8]) -> Variants<'_> {
    let is_object = |text: &&str| text.trim_start().starts_with('{');
    let Some(node) = text(body).filter(is_object).and_then(json::parse) else { return one(None) };
    let Some(members) = node.members().filter(|members| (1..=64).contains(&members.len())) else { return one(None) };
    let is_only = members.len() == 1 && members[0].value.text() == Some("");
    if !is_only && !members[0].name.trim_start().starts_with(['{', '[']) {
        return one(None);
    }
    let joined = members.iter().map(|member| {
        let value = member.value.text()?;
        Some(if value.is_empty() { member.name.clone() } else { format!("{}={value}", member.name) })
    });
    let joined: Option<Vec<_>> = joined.collect();
    one(joined.map(|parts| WRAPPED.variant("the key of the parsed form is read as the body", parts.join("&"))))
}
