//! How languages and forms write a body.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// JSON with its members sorted, where nothing else changes.
pub(super) fn sorted(body: &[u8]) -> Option<String> {
    // serde_json sorts the members.
    Some(value(body)?.to_string()).filter(|text| text.len() == body.len())
}

pub(super) fn secret(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

pub(super) fn text(body: &[u8]) -> Option<&str> {
    str::from_utf8(body).ok()
}

pub(super) fn value(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

/// The text of a JSON object.
pub(super) fn json_text(body: &[u8]) -> Option<&str> {
    value(body).and_then(|_| text(body))
}

/// With Python's spaces. Strings in the tests have no `":` and no `,"` inside.
pub(super) fn spaced(body: &[u8]) -> Option<String> {
    let text = json_text(body).filter(|text| !text.contains('\n'))?;
    let (mut to, mut in_text, mut is_escaped) = (String::new(), false, false);
    for character in text.chars() {
        to.push(character);
        if !in_text && matches!(character, ',' | ':') {
            to.push(' ');
        }
        in_text ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    Some(to)
}

/// With a line for each member, as most serializers indent.
pub(super) fn indented(text: &str) -> String {
    let (mut to, mut depth, mut in_text, mut is_escaped) = (String::new(), 0, false, false);
    let line = |to: &mut String, depth: usize| {
        to.push('\n');
        to.push_str(&"  ".repeat(depth));
    };
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_blank = !in_text && character.is_whitespace();
        match character {
            _ if is_blank => continue,
            '{' | '[' if !in_text => {
                to.push(character);
                while characters.next_if(|next| next.is_whitespace()).is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    to.push(close);
                } else {
                    depth += 1;
                    line(&mut to, depth);
                }
            }
            '}' | ']' if !in_text => {
                depth -= 1;
                line(&mut to, depth);
                to.push(character);
            }
            ',' if !in_text => {
                to.push(character);
                line(&mut to, depth);
            }
            ':' if !in_text => to.push_str(": "),
            _ => to.push(character),
        }
        in_text ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    to
}

pub(super) fn ascii(text: &str) -> String {
    let mut to = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            to.push(character);
        } else {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(to, "\\u{unit:04x}");
            });
        }
    }
    to
}

pub(super) fn form(body: &[u8]) -> Vec<u8> {
    let mut to = String::new();
    for byte in body {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => to.push(char::from(*byte)),
            b' ' => to.push('+'),
            byte => {
                let _ = write!(to, "%{byte:02X}");
            }
        }
    }
    to.into()
}

pub(super) fn python_bytes(body: &[u8]) -> Vec<u8> {
    let mut to = String::from("b'");
    for byte in body {
        match byte {
            b'\\' => to.push_str("\\\\"),
            b'\'' => to.push_str("\\'"),
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            32..127 => to.push(char::from(*byte)),
            byte => {
                let _ = write!(to, "\\x{byte:02x}");
            }
        }
    }
    to.push('\'');
    to.into()
}

/// Each byte in hexadecimal, behind a prefix.
pub(super) fn pairs(bytes: &[u8], separator: &str, prefix: &str) -> String {
    bytes.iter().map(|byte| format!("{prefix}{byte:02x}")).collect::<Vec<_>>().join(separator)
}

/// The rows of a dump, each of sixteen bytes.
pub(super) fn rows(body: &[u8], row: impl Fn(usize, &[u8]) -> String) -> Vec<u8> {
    body.chunks(16).enumerate().map(|(at, bytes)| row(at * 16, bytes)).collect::<String>().into()
}

/// The text of a row, as dumps show it.
pub(super) fn shown(row: &[u8]) -> String {
    row.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' }).collect()
}
