//! Bodies that were converted to another format: what was signed is gone, and cannot be made from them.

use http::header::CONTENT_TYPE;

use crate::case::Case;
use crate::finding::{Explanation, Finding};

/// How many lines of a text are looked at.
const LINES: usize = 200;

const CONVERTED: Explanation = Explanation {
    code: "body_converted",
    title: "the body was converted to another format, and the signed bytes are gone",
    advice: "A gateway, an integration platform or a log has parsed the body and written it in another format. Verify the bytes as \
             received, before anything converts them, and capture the request again: the conversion cannot be undone.",
};

/// A body that is not what its sender sends: XML, YAML, TOML, CSV, or a binary format.
pub(super) fn converted(case: &Case) -> Option<Finding> {
    let content_type = case.header(&CONTENT_TYPE).to_lowercase();
    let format = binary(&case.capture.body).or_else(|| textual(case.body_text()?.trim()))?;
    // A sender may well send XML, and say so.
    let is_declared = content_type.contains(&format.to_lowercase());
    (!is_declared).then(|| {
        let said = if content_type.is_empty() {
            String::new()
        } else {
            format!(", and `content-type` is `{}`", crate::shown::shown(&content_type))
        };
        CONVERTED.likely(format!("The body looks like {format}{said}. Senders of Standard Webhooks sign JSON."))
    })
}

fn binary(body: &[u8]) -> Option<&'static str> {
    let len = body.get(..4).map(|len| u32::from_le_bytes([len[0], len[1], len[2], len[3]]));
    let is_key = |byte: Option<&u8>| matches!(byte, Some(b'a'..=b'z' | b'A'..=b'Z' | b'_'));
    match body {
        _ if len.is_some_and(|len| usize::try_from(len) == Ok(body.len())) && body.ends_with(&[0]) => Some("BSON"),
        // A map, and a short text as its first key.
        [0x81..=0x8f, 0xa1..=0xbf, ..] if is_key(body.get(2)) => Some("MessagePack"),
        [0xa1..=0xb7 | 0xbf, 0x61..=0x77, ..] if is_key(body.get(2)) => Some("CBOR"),
        [b'b', b'p', b'l', b'i', b's', b't', ..] => Some("a binary property list"),
        _ => None,
    }
}

fn textual(text: &str) -> Option<&'static str> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() || text.starts_with(['{', '[']) && !is_toml(text) {
        return None;
    }
    if is_xml(text) {
        Some("XML")
    } else if is_yaml(text) {
        Some("YAML")
    } else if is_toml(text) {
        Some("TOML")
    } else if is_csv(text) {
        Some("CSV")
    } else {
        None
    }
}

fn is_xml(text: &str) -> bool {
    let lower: String = text.chars().take(14).collect::<String>().to_lowercase();
    let is_page = lower.starts_with("<!doctype") || lower.starts_with("<html");
    let tag = text.strip_prefix('<').and_then(|rest| rest.chars().next());
    !is_page && tag.is_some_and(|c| c.is_alphabetic() || c == '?') && text.ends_with('>') && text.contains("</")
        || text.starts_with("<?xml")
}

/// `name: value` in each line, with indented lines and items between them.
fn is_yaml(text: &str) -> bool {
    let lines: Vec<_> =
        text.lines().take(LINES).filter(|line| !line.trim().is_empty() && !line.starts_with('#')).collect();
    let is_pair = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        line.split_once(':').is_some_and(|(name, value)| {
            is_name(name.trim_matches(['"', '\''])) && (value.is_empty() || value.starts_with(' '))
        })
    };
    let is_other = |line: &str| line.starts_with([' ', '-']) || line == "---" || line == "...";
    let pairs = lines.iter().filter(|line| is_pair(line)).count();
    pairs >= 2 && lines.iter().all(|line| is_pair(line) || is_other(line))
}

fn is_toml(text: &str) -> bool {
    let lines: Vec<_> =
        text.lines().take(LINES).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let is_table = |line: &str| line.starts_with('[') && line.ends_with(']') && is_name(line.trim_matches(['[', ']']));
    let is_pair = |line: &str| line.split_once(" = ").is_some_and(|(name, _)| is_name(name));
    lines.iter().filter(|line| is_pair(line)).count() >= 2 && lines.iter().all(|line| is_table(line) || is_pair(line))
}

/// A line of names, and lines with as many values.
fn is_csv(text: &str) -> bool {
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap_or_default().split(',').map(|name| name.trim_matches('"')).collect();
    let rows: Vec<_> = lines.take(LINES).collect();
    names.len() >= 2
        && !rows.is_empty()
        && names.iter().all(|name| is_name(name))
        && rows.iter().all(|row| row.matches(',').count() + 1 >= names.len())
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..64).contains(&name.len()) && name.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        for (text, expected) in [
            ("<?xml version=\"1.0\"?><event><type>a</type></event>", Some("XML")),
            ("<event>\n  <type>a</type>\n</event>", Some("XML")),
            ("type: batch.succeeded\ndata:\n  id: 1\n  tags:\n    - a\n    - b", Some("YAML")),
            ("---\ntype: a\ntimestamp: \"2026-09-29T06:05:40Z\"", Some("YAML")),
            ("type = \"a\"\nversion = 1\n[data]\nid = 1", Some("TOML")),
            ("type,version,id\na,1,2", Some("CSV")),
            ("{\"a\":1}", None),
            ("<!DOCTYPE html><p></p>", None),
            ("a word", None),
            ("payload=%7B%22a%22%3A1%7D", None),
            ("{type: a, data: b}", None),
        ] {
            assert_eq!(textual(text), expected, "{text}");
        }
        assert_eq!(binary(b"\x82\xa4type\xa1a"), Some("MessagePack"));
        assert_eq!(binary(b"\xa2\x64type\x61a"), Some("CBOR"));
        assert_eq!(binary(b"\x0c\0\0\0\x10a\0\x01\0\0\0\0"), Some("BSON"));
    }
}
