//! An independent judge of JSON texts: simple, slow, and without a line of the core.

use std::collections::BTreeMap;

/// How deep values may be nested.
const MAX_DEPTH: usize = 127;

/// A value. Numbers and literals keep their spelling, and members their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Plain(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// A value whose objects are maps. None of them repeats a name.
#[derive(Debug, PartialEq)]
pub(crate) enum Unique {
    Plain(String),
    Text(String),
    List(Vec<Unique>),
    Object(BTreeMap<String, Unique>),
}

impl Json {
    /// Parses a whole text.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (value, rest) = value(text, 0)?;
        blank(rest).is_empty().then_some(value)
    }

    /// The members, if it is an object.
    pub(crate) fn members(self) -> Option<Vec<(String, Self)>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// `None` if an object repeats a name.
    pub(crate) fn unique(self) -> Option<Unique> {
        Some(match self {
            Self::Plain(text) => Unique::Plain(text),
            Self::Text(text) => Unique::Text(text),
            Self::List(items) => Unique::List(items.into_iter().map(Self::unique).collect::<Option<_>>()?),
            Self::Object(members) => {
                let mut map = BTreeMap::new();
                for (name, value) in members {
                    if map.insert(name, value.unique()?).is_some() {
                        return None;
                    }
                }
                Unique::Object(map)
            }
        })
    }
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

fn value(text: &str, depth: usize) -> Option<(Json, &str)> {
    let text = blank(text);
    match text.chars().next()? {
        '{' | '[' if depth == MAX_DEPTH => None,
        '{' => {
            let (mut members, mut rest) = (Vec::new(), blank(&text[1..]));
            if let Some(rest) = rest.strip_prefix('}') {
                return Some((Json::Object(members), rest));
            }
            loop {
                let (name, after) = string(blank(rest))?;
                let (value, after) = value(blank(after).strip_prefix(':')?, depth + 1)?;
                members.push((name, value));
                rest = blank(after);
                if let Some(rest) = rest.strip_prefix('}') {
                    return Some((Json::Object(members), rest));
                }
                rest = rest.strip_prefix(',')?;
            }
        }
        '[' => {
            let (mut items, mut rest) = (Vec::new(), blank(&text[1..]));
            if let Some(rest) = rest.strip_prefix(']') {
                return Some((Json::List(items), rest));
            }
            loop {
                let (item, after) = value(rest, depth + 1)?;
                items.push(item);
                rest = blank(after);
                if let Some(rest) = rest.strip_prefix(']') {
                    return Some((Json::List(items), rest));
                }
                rest = rest.strip_prefix(',')?;
            }
        }
        '"' => string(text).map(|(text, rest)| (Json::Text(text), rest)),
        _ => {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(text.len());
            let (plain, rest) = text.split_at(end);
            is_plain(plain).then(|| (Json::Plain(plain.into()), rest))
        }
    }
}

/// Whether this is a literal or a number.
fn is_plain(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if ["null", "true", "false"].contains(&text) {
        return true;
    }
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(text, exponent)| (text, Some(exponent)));
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// A string in its quotes, decoded by `serde_json`.
fn string(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let (mut end, mut is_escaped) = (None, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => {
                end = Some(at + 2);
                break;
            }
            _ => {}
        }
    }
    let (whole, rest) = text.split_at(end?);
    serde_json::from_str(whole).ok().map(|decoded| (decoded, rest))
}
