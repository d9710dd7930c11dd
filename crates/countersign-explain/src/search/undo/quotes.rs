//! Bodies in the string notation of JSON and of programming languages.

use super::wrapped::WRAPPED;
use crate::json;
use crate::search::step::{Variant, Variants, one, text};

/// A JSON string, with its quotes or without them.
pub(in super::super) fn json_string(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).map(str::trim) else { return one(None) };
    let string = |text: &str| json::parse(text).and_then(|node| node.text().map(str::to_owned));
    let in_quotes = text
        .starts_with('"')
        .then(|| string(text))
        .flatten()
        .map(|inner| WRAPPED.variant("the body is taken out of the JSON string", inner));
    let escaped = text.contains('\\').then(|| string(&format!("\"{}\"", text.replace('\n', "\\n")))).flatten();
    let escaped = escaped.map(|inner| WRAPPED.variant("the escapes in the body are undone", inner));
    Box::new(in_quotes.into_iter().chain(escaped))
}

/// Text in the quotes of Python, JavaScript, Ruby or a shell, or of CSV and SQL, which double their quotes.
pub(in super::super) fn quoted_text(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).map(str::trim) else { return one(quoted_bytes(body)) };
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let is_quoted = text.starts_with(['"', '\'', '`', 'b', 'u']);
    let literal =
        is_quoted.then(|| json::parse_literal(text)).flatten().and_then(|node| node.text().map(str::to_owned));
    let literal = literal.map(|inner| WRAPPED.variant("the body is taken out of the quotes", inner));
    let bare = ['"', '\'', '`'].into_iter().filter_map(inside);
    let bare = bare.map(|inner| WRAPPED.variant("the quotes around the body are removed", inner.to_owned()));
    let in_csv = inside('"').filter(|inner| inner.contains("\"\""));
    let in_csv =
        in_csv.map(|inner| WRAPPED.variant("the doubled quotes of CSV are undone", inner.replace("\"\"", "\"")));
    let in_sql = inside('\'').unwrap_or(text);
    let in_sql = in_sql.contains("''").then(|| in_sql.replace("''", "'"));
    let in_sql = in_sql.map(|inner| WRAPPED.variant("the doubled quotes of SQL are undone", inner));
    let in_shell = inside('\'').filter(|inner| inner.contains("'\\''"));
    let in_shell =
        in_shell.map(|inner| WRAPPED.variant("the quotes of the shell are undone", inner.replace("'\\''", "'")));
    Box::new(literal.into_iter().chain(bare).chain(in_csv).chain(in_sql).chain(in_shell))
}

/// Bytes that are not text, in quotes.
fn quoted_bytes(body: &[u8]) -> Option<Variant> {
    let inside = |quote: u8| body.strip_prefix(&[quote])?.strip_suffix(&[quote]);
    let inner = inside(b'"').or_else(|| inside(b'\''))?;
    Some(WRAPPED.variant("the quotes around the body are removed", inner.to_vec()))
}

/// Python's `b'…'`, and its escapes without the quotes.
pub(in super::super) fn python_bytes(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).map(str::trim) else { return one(None) };
    let text = text.strip_prefix("bytearray(").and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let text = text.trim_matches('"');
    let inside = ["b'", "b\"", "B'", "B\""].into_iter().find_map(|prefix| {
        let rest = text.strip_prefix(prefix)?;
        Some(rest.strip_suffix(&prefix[1..]).unwrap_or(rest))
    });
    let repr = inside.and_then(unescaped).map(|bytes| python("Python's `b'…'` is undone", bytes));
    let bare = inside.is_none().then(|| text.contains("\\x").then(|| unescaped(text))?).flatten();
    Box::new(repr.into_iter().chain(bare.map(|bytes| python("the `\\x` escapes in the body are undone", bytes))))
}

fn python(once: &'static str, bytes: Vec<u8>) -> Variant {
    WRAPPED.variant(once, bytes)
}

/// The bytes that Python's escapes mean.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        bytes.extend_from_slice(&rest[..at]);
        let (byte, len) = match *rest.get(at + 1)? {
            b'x' => (*hex::decode(rest.get(at + 2..at + 4)?).ok()?.first()?, 4),
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            quote @ (b'\\' | b'\'' | b'"') => (quote, 2),
            // Python leaves other backslashes as they are.
            _ => (b'\\', 1),
        };
        bytes.push(byte);
        rest = &rest[at + len..];
    }
    bytes.extend_from_slice(rest);
    Some(bytes)
}

/// Backslashes that `addslashes` has put before quotes, or that a shell needs.
pub(in super::super) fn slashes(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).filter(|text| text.contains('\\')) else { return one(None) };
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let next = rest[at + 1..].chars().next();
        match next {
            Some(quote @ ('\\' | '\'' | '"')) => plain.push(quote),
            Some('0') => plain.push('\0'),
            Some(other) => plain.extend(['\\', other]),
            None => {}
        }
        rest = &rest[at + 1 + next.map_or(0, char::len_utf8)..];
    }
    plain.push_str(rest);
    one(Some(WRAPPED.variant("the backslashes before quotes are removed from the body", plain)))
}
