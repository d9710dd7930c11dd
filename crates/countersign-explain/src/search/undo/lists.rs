//! Bodies as lists of bytes: Node's `Buffer` as JSON, arrays of numbers, hex dumps.

use super::looks;
use super::wrapped::WRAPPED;
use crate::encoded::dumps;
use crate::json::{self, Node, Value};
use crate::search::step::{Variants, one, text};

/// `{"type":"Buffer","data":[…]}`, an array of numbers, and an object `{"0":123,"1":34}`.
pub(in super::super) fn buffer(body: &[u8]) -> Variants<'_> {
    let bytes = text(body).filter(|_| looks::list(body)).and_then(json::parse).and_then(|node| bytes_of(&node));
    one(bytes.map(|bytes| WRAPPED.variant("the list of bytes (Node's `Buffer` as JSON) is read as the body", bytes)))
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
        // `[1 2]`, `bytes([1, 2])`, `[]byte{1, 2}`, `new byte[] { 1, 2 }`.
        let text = text.rsplit_once(['[', '{']).map_or(text, |(_, rest)| rest.split([']', '}']).next().unwrap_or(rest));
        let words = text.split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty());
        words.map(byte_of).collect::<Option<Vec<_>>>().filter(|bytes| bytes.len() >= 4)
    });
    one(bytes.map(|bytes| WRAPPED.variant("its numbers are read as bytes", bytes)))
}

/// The output of `xxd`, `hexdump`, `od` or `Format-Hex`.
pub(in super::super) fn hex_dump(body: &[u8]) -> Variants<'_> {
    let dumps = text(body).into_iter().flat_map(dumps);
    Box::new(dumps.map(|bytes| WRAPPED.variant("the dump of its bytes is read as the body", bytes)))
}
