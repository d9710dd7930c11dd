//! Values that frameworks change between parsing and serializing: dates, empty values, numbers as text.

use std::ops::Range;
use std::rc::Rc;

use super::super::step::Variants;
use super::tree::{parsed, splice};
use crate::finding::Explanation;
use crate::json::{Node, Value};

/// How many values are changed one by one.
const MAX_SINGLE: usize = 64;

const DATES: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again, and its dates were rewritten",
    advice: "Verify the bytes as received. Newtonsoft.Json (unless `DateParseHandling.None` is set), JavaScript's `Date` and \
             others read dates in strings, and write them with other fractions or another form of `Z`.",
};
const EMPTY: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again, and empty values were changed",
    advice: "Verify the bytes as received: `$request->getContent()` in Laravel, `file_get_contents('php://input')` in PHP. \
             PHP writes an empty object as `[]`, and Laravel turns empty strings into `null`.",
};
const QUOTED: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed and serialized again, and numbers became text, or text became numbers",
    advice: "Verify the bytes as received. Forms, XML and some databases have only text, and lose the types of JSON.",
};

const BITS: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed and serialized again, and `true` and `false` became numbers, or the other way round",
    advice: "Verify the bytes as received. Some databases and languages have no truth values, and write `1` and `0`.",
};

pub(super) type Edit = (Range<usize>, String);

/// A change to a body: what it is, and where the text is edited.
pub(super) struct Plan {
    pub(super) once: String,
    pub(super) edits: Vec<Edit>,
}

/// Each plan as a whole, then each edit of each plan alone. Each variant is made when it is asked for.
pub(super) fn all_then_each<'t>(
    explanation: &'static Explanation,
    text: &'t str,
    plans: impl IntoIterator<Item = Plan>,
) -> Variants<'t> {
    let plans: Rc<[Plan]> = plans.into_iter().filter(|plan| !plan.edits.is_empty()).collect();
    let whole = Rc::clone(&plans);
    let whole =
        (0..whole.len()).map(move |at| explanation.variant(whole[at].once.clone(), splice(text, &whole[at].edits)));
    let each = (0..plans.len()).flat_map(move |at| {
        let plans = Rc::clone(&plans);
        let count = if plans[at].edits.len() > 1 { plans[at].edits.len().min(MAX_SINGLE) } else { 0 };
        (0..count).map(move |one| {
            let once = format!("{}, in one place", plans[at].once);
            explanation.variant(once, splice(text, &plans[at].edits[one..=one]))
        })
    });
    Box::new(whole.chain(each))
}

/// The edits of each value that `edit` changes.
fn edits(node: &Node, edit: impl Fn(&Node) -> Option<String>) -> Vec<Edit> {
    let mut edits = Vec::new();
    node.walk("", &mut |_, node| edits.extend(edit(node).map(|text| (node.span.clone(), text))));
    edits
}

/// Fractions of seconds and the offset of dates, as other serializers write them.
pub(in super::super) fn dates(body: &[u8]) -> Variants<'_> {
    const FRACTIONS: [&str; 7] = ["", ".000", ".000000", ".0000000", ".0", ".000000000", ".00"];
    const OFFSETS: [&str; 4] = ["Z", "+00:00", "+0000", ""];
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let styles = OFFSETS.into_iter().flat_map(|offset| FRACTIONS.map(|fraction| (fraction, offset)));
    let plan = |(fraction, offset): (&str, &str)| {
        let edits = edits(&node, |node| {
            let (seconds, digits, _) = date(node.text()?)?;
            let len = fraction.len();
            let fraction = if len == 0 { String::new() } else { format!(".{digits:0<width$}", width = len - 1) };
            let rewritten = format!("\"{seconds}{fraction}{offset}\"");
            (fraction.len() == len && rewritten != text[node.span.clone()]).then_some(rewritten)
        });
        Plan { once: format!("its dates are written as 2026-01-31T12:00:00{fraction}{offset}"), edits }
    };
    all_then_each(&DATES, text, styles.map(plan))
}

/// The parts of an RFC 3339 date: up to the seconds, the fraction without final zeros, the offset.
fn date(text: &str) -> Option<(&str, &str, &str)> {
    let (seconds, rest) = text.split_at_checked(19)?;
    let is_date = seconds.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T' || byte == b' ',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("", rest),
    };
    let is_utc = matches!(offset, "" | "Z" | "+00:00" | "+0000" | "-00:00");
    (is_date && is_utc).then(|| (seconds, fraction.trim_end_matches('0'), offset))
}

/// `[]` for `{}`, `null` for `""`, and members that are `null`.
pub(in super::super) fn empty_values(body: &[u8]) -> Variants<'_> {
    const PAIRS: [(&str, &str); 6] =
        [("[]", "{}"), ("{}", "[]"), ("null", "\"\""), ("\"\"", "null"), ("[]", "null"), ("{}", "null")];
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let plan = |(wanted, other): (&str, &str)| {
        let edits = edits(&node, |node| {
            let is_wanted = match (&node.value, wanted) {
                (Value::Object(members), "{}") => members.is_empty(),
                (Value::Array(items), "[]") => items.is_empty(),
                (Value::Text(text), "\"\"") => text.is_empty(),
                (Value::Word(word), _) => *word == wanted,
                _ => false,
            };
            is_wanted.then(|| other.to_owned())
        });
        Plan { once: format!("`{wanted}` is written as `{other}`"), edits }
    };
    let mut without = Vec::new();
    node.walk("", &mut |_, node| without.extend(members_that_are_null(node)));
    let without = Plan { once: "members that are `null` are left out".into(), edits: without };
    all_then_each(&EMPTY, text, PAIRS.into_iter().map(plan).chain([without]))
}

/// The ranges of the members that are `null`, each with one comma.
fn members_that_are_null(node: &Node) -> Vec<Edit> {
    let members = node.members().unwrap_or_default();
    let is_null = |at: usize| members[at].value.value == Value::Word("null");
    let last_kept = (0..members.len()).rev().find(|at| !is_null(*at));
    let ranges = (0..members.len()).filter(|at| is_null(*at)).map(|at| {
        let own = members[at].start..members[at].value.span.end;
        match last_kept {
            // Up to the next member, or from the end of the one before it.
            Some(last) if at < last => own.start..members[at + 1].start,
            _ if at > 0 => members[at - 1].value.span.end..own.end,
            _ => own,
        }
    });
    ranges.map(|range| (range, String::new())).collect()
}

/// Numbers in quotes, or without them.
pub(in super::super) fn quoted_numbers(body: &[u8]) -> Variants<'_> {
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let quoted = edits(&node, |node| match &node.value {
        Value::Number(number) => Some(format!("\"{number}\"")),
        Value::Word(word) if *word != "null" => Some(format!("\"{word}\"")),
        _ => None,
    });
    let bare = edits(&node, |node| {
        let text = node.text()?;
        let is_bare = crate::json::parse(text).is_some_and(|inner| {
            matches!(inner.value, Value::Number(_) | Value::Word(_)) && inner.span.len() == text.len()
        });
        is_bare.then(|| text.to_owned())
    });
    let quoted = Plan { once: "numbers are written in quotes".into(), edits: quoted };
    all_then_each(&QUOTED, text, [quoted, Plan { once: "numbers are written without quotes".into(), edits: bare }])
}

/// `true` and `false` as `1` and `0`, and the other way round.
pub(in super::super) fn words(body: &[u8]) -> Variants<'_> {
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let bits = edits(&node, |node| match &node.value {
        Value::Number(number) if number == "1" => Some("true".into()),
        Value::Number(number) if number == "0" => Some("false".into()),
        _ => None,
    });
    let numbers = edits(&node, |node| match &node.value {
        Value::Word("true") => Some("1".into()),
        Value::Word("false") => Some("0".into()),
        _ => None,
    });
    let bits = Plan { once: "`1` and `0` are written as `true` and `false`".into(), edits: bits };
    let numbers = Plan { once: "`true` and `false` are written as `1` and `0`".into(), edits: numbers };
    all_then_each(&BITS, text, [bits, numbers])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(variants: Variants<'_>, expected: &str) {
        let all: Vec<_> = variants.map(|variant| variant.body).collect();
        assert!(all.iter().any(|body| body == expected.as_bytes()), "{expected} is not in {all:?}");
    }

    #[test]
    fn dates_and_empty_values_are_put_back() {
        let body = br#"{"at":"2026-01-22T12:00:00.5Z","a":[],"b":null,"c":1}"#;
        finds(dates(body), r#"{"at":"2026-01-22T12:00:00.500+00:00","a":[],"b":null,"c":1}"#);
        finds(empty_values(body), r#"{"at":"2026-01-22T12:00:00.5Z","a":{},"b":null,"c":1}"#);
        finds(empty_values(body), r#"{"at":"2026-01-22T12:00:00.5Z","a":[],"b":"","c":1}"#);
        finds(empty_values(body), r#"{"at":"2026-01-22T12:00:00.5Z","a":[],"c":1}"#);
        finds(empty_values(br#"{"a":1,"b":null,"c":null}"#), r#"{"a":1}"#);
        finds(quoted_numbers(br#"{"a":1,"b":"2"}"#), r#"{"a":"1","b":"2"}"#);
        finds(quoted_numbers(br#"{"a":1,"b":"2"}"#), r#"{"a":1,"b":2}"#);
        finds(words(br#"{"a":1,"b":0,"c":10}"#), r#"{"a":true,"b":false,"c":10}"#);
        finds(words(br#"{"a":1,"b":0}"#), r#"{"a":true,"b":0}"#);
        finds(words(br#"{"a":true}"#), r#"{"a":1}"#);
    }
}
