//! Signs that a body was parsed and written again: sorted names, indentation, letters in one case, dropped members.

use http::header::CONTENT_LENGTH;

use crate::case::Case;
use crate::finding::{Explanation, Finding};
use crate::json::{self, Node};

/// Fewer names are often in order by chance.
const MIN_SORTED: usize = 4;
/// Fewer letters are often of one case.
const MIN_LETTERS: usize = 8;
/// The shortest member that is `null`: `,"a":null`.
const SHORTEST_NULL: usize = 9;

const SORTED: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body may have been parsed and serialized again, with its names sorted",
    advice: "Verify the bytes as received, and parse them afterwards. `sort_keys` in Python, maps in Go, `jsonb` in PostgreSQL and \
             sorted maps in Java lose the order of the members. Orders of more than nine members, or of several large objects, \
             cannot be found by trying.",
};

/// Objects whose names are in alphabetical order, although senders write the type first.
pub(super) fn sorted_names(case: &Case) -> Option<Finding> {
    let node = json::parse(case.body_text()?)?;
    let (mut names, mut is_sorted) = (0, true);
    node.walk("", &mut |_, node| {
        let members = node.members().unwrap_or_default();
        names += if members.len() > 1 { members.len() } else { 0 };
        is_sorted &= members.is_sorted_by(|one, two| one.name <= two.name)
            || members.is_sorted_by(|one, two| (one.name.len(), &one.name) <= (two.name.len(), &two.name));
    });
    let first = node.members()?.first()?.name.as_str();
    let is_usual = matches!(first, "type" | "id" | "event" | "object");
    (is_sorted && names >= MIN_SORTED && !is_usual).then(|| {
        SORTED.likely(format!("The names of all objects ({names}) are in alphabetical order or sorted by length, which senders seldom write."))
    })
}

const PRETTY: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body may have been printed for people to read, with line breaks and indentation",
    advice: "Verify the bytes as received. Editors, inspectors, `jq`, `JSON.stringify(body, null, 2)` and log viewers write JSON on several \
             lines; nearly all senders write it on one.",
};

/// JSON on several lines.
pub(super) fn pretty_printed(case: &Case) -> Option<Finding> {
    let text = case.body_text()?.trim();
    let lines = text.lines().count();
    let is_indented = text.lines().nth(1).is_some_and(|line| line.starts_with([' ', '\t', '"']));
    let is_json = text.starts_with(['{', '[']) && json::parse(text).is_some();
    (lines > 2 && is_indented && is_json)
        .then(|| PRETTY.likely(format!("The body is JSON on {lines} lines, indented for people.")))
}

const ONE_CASE: Explanation = Explanation {
    code: "body_case_changed",
    title: "all letters of the body were changed to capitals or to small letters",
    advice: "Verify the bytes as received: a filter, a comparison or a database changed the case of the text, and the original letters \
             cannot be found.",
};

/// Text in one case, although something in it is written in another.
pub(super) fn one_case(case: &Case) -> Option<Finding> {
    let text = case.body_text()?;
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let is_upper =
        letters >= MIN_LETTERS && !text.chars().any(char::is_lowercase) && text.trim_start().starts_with(['{', '[']);
    // A date with a small `t` and `z`, as no serializer writes it.
    let is_lower = !text.chars().any(char::is_uppercase) && has_lower_date(text);
    if is_upper {
        Some(ONE_CASE.likely("The body is JSON, and has no small letter."))
    } else if is_lower {
        Some(ONE_CASE.likely("The body has no capital, and even its dates have a small `t` and `z`."))
    } else {
        None
    }
}

/// Whether `12t12:00:00` and a `z` behind it are in the text.
fn has_lower_date(text: &str) -> bool {
    text.match_indices('t').any(|(at, _)| {
        let (before, after) = (text.as_bytes()[..at].last_chunk::<2>(), text.as_bytes().get(at + 1..at + 9));
        let is_time = |time: &[u8]| time[2] == b':' && time[5] == b':' && time[..2].iter().all(u8::is_ascii_digit);
        let ends_lower = text[at..].chars().take(40).skip(9).find(|c| !c.is_ascii_digit() && *c != '.') == Some('z');
        before.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit)) && after.is_some_and(is_time) && ends_lower
    })
}

const DROPPED: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body may have been parsed and serialized again, and members that were `null` were left out",
    advice: "Verify the bytes as received. Gson, Jackson with `NON_NULL`, `omitempty` in Go and `exclude_none` in Pydantic leave out \
             what is `null`; only members that events of known senders have were put back and tried.",
};

/// JSON on one line, as a serializer writes it, that is shorter than it was sent.
pub(super) fn dropped_members(case: &Case) -> Option<Finding> {
    let text = case.body_text()?.trim();
    let node = json::parse(text).filter(|node| node.members().is_some())?;
    let said: usize = case.header(&CONTENT_LENGTH).trim().parse().ok()?;
    let missing = said.checked_sub(case.capture.body.len()).filter(|missing| *missing >= SHORTEST_NULL)?;
    let has_null = text.contains(":null") || text.contains(": null");
    (!has_null && !text.contains('\n') && members(&node) > 1).then(|| {
        DROPPED.likely(format!(
            "The body is whole JSON on one line without any `null`, and has {missing} bytes fewer than `content-length` says."
        ))
    })
}

fn members(node: &Node) -> usize {
    node.members().map_or(0, <[_]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_small_letters_are_seen() {
        assert!(has_lower_date(r#"{"at":"2026-01-22t12:00:00z"}"#));
        assert!(has_lower_date(r#"{"at":"2026-01-22t12:00:00.123z"}"#));
        assert!(!has_lower_date(r#"{"at":"2026-01-22T12:00:00Z","text":"12t12"}"#));
    }
}
