//! Bodies as lists of bytes: Node's `Buffer` as JSON, arrays of numbers, hex dumps.

use super::wrapped::WRAPPED;
use crate::json::{self, Node, Value};
use crate::search::step::{Variants, one, text};

/// `{"type":"Buffer","data":[…]}`, an array of numbers, and an object `{"0":123,"1":34}`.
pub(in super::super) fn buffer(body: &[u8]) -> Variants<'_> {
    let list = text(body).filter(|text| is_list(text));
    let bytes = list.and_then(json::parse).and_then(|node| bytes_of(&node));
    one(bytes.map(|bytes| WRAPPED.variant("the list of bytes (Node's `Buffer` as JSON) is read as the body", bytes)))
}

/// Whether the text begins like a list of bytes.
fn is_list(text: &str) -> bool {
    let start: String = text.chars().filter(|c| !c.is_whitespace()).take(12).collect();
    let digits = start.strip_prefix('[').unwrap_or_default().trim_start_matches('-');
    digits.starts_with(|c: char| c.is_ascii_digit())
        || ["{\"type\":\"B", "{\"data\":[", "{\"0\":"].iter().any(|known| start.starts_with(known))
}

/// The bytes that a value lists.
pub(super) fn bytes_of(node: &Node) -> Option<Vec<u8>> {
    let list = match node.get("data") {
        Some(data) if node.get("type").and_then(Node::text) == Some("Buffer") => data,
        _ => node,
    };
    // `Buffer.toJSON` of bson: {"type":"Buffer","data":"base64"} is a member of text, and found as such.
    let bytes: Vec<u8> = match &list.value {
        Value::Array(items) => items.iter().map(byte).collect::<Option<_>>()?,
        Value::Object(members) => {
            let is_counted = members.iter().enumerate().all(|(at, member)| member.name == at.to_string());
            members.iter().map(|member| byte(&member.value)).collect::<Option<_>>().filter(|_| is_counted)?
        }
        _ => return None,
    };
    (!bytes.is_empty()).then_some(bytes)
}

fn byte(node: &Node) -> Option<u8> {
    match &node.value {
        Value::Number(number) => byte_of(number),
        _ => None,
    }
}

/// Also Java's bytes, which are signed.
fn byte_of(number: &str) -> Option<u8> {
    let number: i16 = number.parse().ok()?;
    (-128..256).contains(&number).then(|| number.to_le_bytes()[0])
}

/// Numbers between commas or spaces, as `Uint8Array`, Go and Java print bytes.
pub(in super::super) fn byte_list(body: &[u8]) -> Variants<'_> {
    let bytes = text(body).and_then(|text| {
        let text = text.trim();
        let text = text.split_once('[').map_or(text, |(_, rest)| rest.split(']').next().unwrap_or(rest));
        let words = text.split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty());
        words.map(byte_of).collect::<Option<Vec<_>>>().filter(|bytes| bytes.len() >= 4)
    });
    one(bytes.map(|bytes| WRAPPED.variant("its numbers are read as bytes", bytes)))
}

/// The output of `xxd`, `hexdump -C` or `od`: an offset, digits, and perhaps the text.
pub(in super::super) fn hex_dump(body: &[u8]) -> Variants<'_> {
    let bytes = text(body).and_then(|text| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let bytes = lines.map(line_of_dump).collect::<Option<Vec<_>>>()?.concat();
        (bytes.len() > 1).then_some(bytes)
    });
    one(bytes.map(|bytes| WRAPPED.variant("the hex dump is read as the body", bytes)))
}

fn line_of_dump(line: &str) -> Option<Vec<u8>> {
    let (offset, rest) = line.split_once([':', ' ']).unwrap_or((line, ""));
    let is_offset = offset.len() >= 4 && offset.bytes().all(|byte| byte.is_ascii_hexdigit());
    let rest = rest.trim_start();
    // `xxd` has the text after two spaces; `hexdump -C` has two spaces between its halves, and the text after a bar.
    let is_xxd = line[offset.len()..].starts_with(':');
    let digits = if is_xxd { rest.split("  ").next() } else { rest.split('|').next() };
    let digits: String = digits.unwrap_or_default().split_whitespace().collect();
    is_offset.then(|| hex::decode(digits).ok())?
}
