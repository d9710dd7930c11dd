//! What a body looks like at its beginning: which wrappings are worth undoing, and which are not.

use crate::encoded;

/// How many bytes of the beginning are looked at.
const SEEN: usize = 512;
/// How many bytes are searched for a mark that may be anywhere.
const SEARCHED: usize = 64 << 10;

/// A body of any look.
pub(in super::super) fn any(_: &[u8]) -> bool {
    true
}

/// Rows of a hex dump.
pub(in super::super) fn dump(body: &[u8]) -> bool {
    encoded::is_dump(beginning(body))
}

/// A list of bytes as JSON.
pub(in super::super) fn list(body: &[u8]) -> bool {
    let start: String = beginning(body).chars().filter(|c| !c.is_whitespace()).take(12).collect();
    let digits = start.strip_prefix('[').unwrap_or_default().trim_start_matches('-');
    digits.starts_with(|c: char| c.is_ascii_digit())
        || ["{\"type\":\"B", "{\"data\":[", "{\"0\":"].iter().any(|known| start.starts_with(known))
}

/// Numbers between commas or spaces, perhaps in brackets behind the name of a type.
pub(in super::super) fn numbers(body: &[u8]) -> bool {
    let start = beginning(body);
    let start = start.trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, '[' | ']' | '{' | '(' | ' '));
    let is_part =
        |c: char| c.is_ascii_digit() || matches!(c, ',' | ' ' | '-' | '\n' | '\r' | '\t' | ']' | '}' | ')' | ';');
    !start.is_empty() && start.chars().all(is_part)
}

/// Python's bytes, or its escapes.
pub(in super::super) fn escaped_bytes(body: &[u8]) -> bool {
    let start = beginning(body).trim_start().trim_start_matches('"');
    ["b'", "b\"", "B'", "B\"", "bytearray("].iter().any(|known| start.starts_with(known)) || has(body, b"\\x")
}

/// A string: quotes around it, or escapes in it.
pub(in super::super) fn string(body: &[u8]) -> bool {
    beginning(body).trim_start().starts_with('"') || has(body, b"\\")
}

/// Base64, in quotes or on several lines.
pub(in super::super) fn base64(body: &[u8]) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || "+/-_=\"'\\".contains(c);
    beginning(body).chars().all(is_part)
}

/// Anything but JSON: other encodings have words around them.
pub(in super::super) fn no_json(body: &[u8]) -> bool {
    !beginning(body).trim_start().starts_with(['{', '['])
}

/// Hexadecimal digits, or a name or bracket before them.
pub(in super::super) fn digits(body: &[u8]) -> bool {
    let is_part = |c: char| c.is_ascii_hexdigit() || c.is_whitespace() || ":,;-xX\\<>'\"(){}[]=Bufer".contains(c);
    let start = beginning(body);
    start.chars().all(is_part) || (no_json(body) && start.len() < SEEN) || start.contains("0x") || start.contains("\\x")
}

/// Two bytes for each character.
pub(in super::super) fn wide(body: &[u8]) -> bool {
    body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") || body.iter().take(SEEN).any(|byte| *byte == 0)
}

/// An object whose first name is JSON, or whose last value is an empty text, as that of a form's key is.
pub(in super::super) fn named_by_json(body: &[u8]) -> bool {
    let start: String = beginning(body).chars().filter(|c| !c.is_whitespace()).take(4).collect();
    let end = body.iter().rev().filter(|byte| !byte.is_ascii_whitespace()).take(4);
    start.starts_with("{\"{") || start.starts_with("{\"[") || (start.starts_with("{\"") && end.eq(br#"}"":"#))
}

/// A chunk length in the first line.
pub(in super::super) fn chunks(body: &[u8]) -> bool {
    body.first().is_some_and(u8::is_ascii_hexdigit)
}

/// Entities of HTML.
pub(in super::super) fn entities(body: &[u8]) -> bool {
    ["&quot;", "&#", "&amp;", "&lt;"].iter().any(|entity| has(body, entity.as_bytes()))
}

/// Accents that stand behind their letters.
pub(in super::super) fn decomposed(body: &[u8]) -> bool {
    body.windows(2).take(SEARCHED).any(|pair| matches!(pair, [0xcc, 0x80..=0xbf] | [0xcd, ..=0xaf]))
}

/// The text at the beginning.
fn beginning(body: &[u8]) -> &str {
    let start = &body[..body.len().min(SEEN)];
    match str::from_utf8(start) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Whether a mark is in the first part of the body.
fn has(body: &[u8], mark: &[u8]) -> bool {
    body[..body.len().min(SEARCHED)].windows(mark.len()).any(|window| window == mark)
}
