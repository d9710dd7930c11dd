//! Hints without proof: signs of a changed body, and the possibilities that remain.

mod compressed;
mod converted;
mod length;
mod spelling;

use http::header::CONTENT_LENGTH;

use crate::case::Case;
use crate::finding::{Explanation, Finding};
use crate::scheme;

const EMPTY_BODY: Explanation = Explanation {
    code: "body_empty",
    title: "the body is empty",
    advice: "Something read it before, and a body can be read only once. Read the bytes first, and pass them to both the \
             verifier and the parser.",
};

/// A body that was already read.
fn empty_body(case: &Case) -> Option<Finding> {
    case.capture.body.is_empty().then(|| EMPTY_BODY.likely("The body has 0 bytes, and no known event is empty."))
}

/// An empty object that a parser made of a body that was already read.
fn emptied_body(case: &Case) -> Option<Finding> {
    let text = case.body_text()?.trim();
    let is_nothing = matches!(text, "{}" | "null" | "[]" | "\"\"");
    is_nothing.then(|| EMPTY_BODY.likely(format!("The body is `{text}`, which is what parsers make of an empty body.")))
}

const LOST_CHARACTERS: Explanation = Explanation {
    code: "body_characters_lost",
    title: "the body was decoded as text, and bytes were lost",
    advice: "Verify bytes, not text: bytes that are not UTF-8 are replaced by U+FFFD in decoding, and characters that a \
             character set lacks by `?`. They are lost.",
};

/// Replacement characters in place of bytes.
fn lost_characters(case: &Case) -> Option<Finding> {
    let count = case.body_text()?.matches('\u{fffd}').count();
    (count > 0).then(|| LOST_CHARACTERS.likely(format!("The body has {count} replacement characters (U+FFFD).")))
}

/// How many question marks are looked at.
const MAX_MARKS: usize = 64;

/// Question marks inside or behind words, where accents are usual.
fn question_marks(case: &Case) -> Option<Finding> {
    let text = case.body_text().filter(|text| text.is_ascii())?;
    let odd = |(at, _): (usize, &str)| {
        let before = text[..at].chars().next_back().is_some_and(char::is_alphabetic);
        let after = text[at + 1..].chars().next().is_some_and(|next| next.is_alphabetic() || next == '?');
        // A query has `=` behind it.
        let is_query = text[at..].split(['"', ' ']).next().is_some_and(|word| word.contains('='));
        let is_run = text[at + 1..].starts_with('?');
        (before && after && !is_query) || is_run
    };
    let count = text.match_indices('?').take(MAX_MARKS).filter(|found| odd(*found)).count();
    (count > 0).then(|| {
        LOST_CHARACTERS
            .likely(format!("The body is ASCII, and has `?` inside words, in {count} places: perhaps accents."))
    })
}

const STRINGIFIED: Explanation = Explanation {
    code: "body_stringified",
    title: "a parsed object was turned into text, and the bytes of the body are gone",
    advice: "A parser ran before the verifier, and its result was used as a string. Verify the bytes as received: \
             `express.raw({type: '*/*'})` in Express, `await request.text()` in fetch handlers, `await request.body()` in \
             Starlette, `request.raw_post` in Rails. Capture the request again.",
};

/// How languages print an object that has no text of its own.
const PRINTED: &[(&str, &str)] = &[
    ("[object ", "JavaScript"),
    ("<Buffer ", "Node"),
    ("<ref *", "Node"),
    ("ReadableStream", "JavaScript"),
    ("Promise {", "JavaScript"),
    ("undefined", "JavaScript"),
    ("NaN", "JavaScript"),
    ("function ", "JavaScript"),
    ("[Circular", "JavaScript"),
    ("None", "Python"),
    ("<coroutine object", "Python"),
    ("<bound method", "Python"),
    ("<Request", "Python"),
    ("<WSGIRequest", "Python"),
    ("<_io.", "Python"),
    ("<starlette", "Python"),
    ("<class '", "Python"),
    ("<memory at", "Python"),
    ("OrderedDict(", "Python"),
    ("ImmutableMultiDict(", "Python"),
    ("<QueryDict", "Python"),
    ("#<", "Ruby"),
    ("Array", "PHP"),
    ("Object id #", "PHP"),
    ("stdClass Object", "PHP"),
    ("object(stdClass)", "PHP"),
    ("array(", "PHP"),
    ("[B@", "Java"),
    ("System.", "a .NET language"),
    ("Microsoft.AspNetCore", "a .NET language"),
    ("map[", "Go"),
    ("&{", "Go"),
    ("@{", "PowerShell"),
];

/// `[object Object]` and the like.
fn stringified(case: &Case) -> Option<Finding> {
    let text = case.body_text()?.trim().trim_matches('"');
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let (printed, language) = PRINTED.iter().find(|(printed, _)| !is_json && text.starts_with(printed))?;
    let evidence = format!("The body begins with `{printed}`, which is how {language} prints an object.");
    // Nothing else looks like these.
    Some(if ["[object ", "<Buffer ", "[B@"].contains(printed) {
        STRINGIFIED.certain(evidence)
    } else {
        STRINGIFIED.likely(evidence)
    })
}

/// Java's `Map.toString`, and PHP's `print_r`: what they print cannot be read back.
fn printed_map(case: &Case) -> Option<Finding> {
    let text = case.body_text()?.trim();
    let inner = text.strip_prefix('{')?;
    let name = inner.split('=').next().filter(|name| inner.len() > name.len())?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| STRINGIFIED.likely("The body is `{name=value, …}`, which is how Java prints a map."))
}

const FLOATS: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body may have been parsed as JSON and serialized again, which rewrites numbers",
    advice: "Verify the bytes as received. JavaScript drops the `.0` of `1.0` and the last zero of `10.50`, and rounds integers \
             beyond 9007199254740991: what was lost cannot be found by trying alone.",
};

/// Numbers that JavaScript may have shortened, in a body that looks as it writes JSON.
fn numbers(case: &Case) -> Option<Finding> {
    let text = case.body_text()?;
    let node = crate::json::parse(text)?;
    let mut numbers = 0;
    node.walk("", &mut |_, node| numbers += usize::from(matches!(node.value, crate::json::Value::Number(_))));
    let length = case.header(&CONTENT_LENGTH).trim().parse::<usize>().ok()?;
    let lost = length.checked_sub(text.len()).filter(|lost| (1..=4 * numbers).contains(lost))?;
    let is_compact = !text.contains("\": ") && !text.contains(", \"");
    is_compact.then(|| {
        let evidence = format!("The body has {numbers} numbers, and {lost} bytes fewer than `content-length` says.");
        FLOATS.likely(evidence)
    })
}

const ERROR_PAGE: Explanation = Explanation {
    code: "body_is_a_page",
    title: "the body is an HTML page, not a delivery",
    advice: "A proxy, a login page or a firewall has answered or replaced the request: capture the request where the sender's \
             connection ends.",
};

fn page(case: &Case) -> Option<Finding> {
    let start: String = case.body_text()?.trim_start().chars().take(14).collect();
    let is_page = ["<!doctype html", "<html"].iter().any(|tag| start.to_lowercase().starts_with(tag));
    is_page.then(|| ERROR_PAGE.likely("The body begins like an HTML page."))
}

/// The signs of a changed body, most telling first.
pub(crate) fn visible(case: &Case) -> Vec<Finding> {
    let signs = [
        stringified,
        empty_body,
        page,
        compressed::compressed,
        lost_characters,
        numbers,
        length::body_length,
        length::truncated,
        spelling::dropped_members,
        spelling::one_case,
        converted::converted,
        emptied_body,
        question_marks,
        printed_map,
        spelling::sorted_names,
        spelling::pretty_printed,
    ];
    signs.iter().filter_map(|sign| sign(case)).collect()
}

const WRONG_SECRET: Explanation = Explanation {
    code: "wrong_secret",
    title: "the secret is not the sender's",
    advice: "Each environment, project and endpoint has its own secret, and two after a rotation. Compare the last four \
             characters with the ones that the sender shows (`truncated_secret`), and try other secrets with \
             `--try-secret-file`.",
};
const BODY_CHANGED: Explanation = Explanation {
    code: "body_changed",
    title: "the body was changed in an unknown way, or belongs to another delivery",
    advice: "Capture the request again, as received: the three headers of one request, and the bytes of its body before anything \
             parses them (`tcpdump`, a proxy's raw dump, `request.get_data()` written in binary mode).",
};

const UNKNOWN_KEY: Explanation = Explanation {
    code: "v1a_key_unknown",
    title: "the delivery is signed (`v1a`) with none of the given public keys",
    advice: "The header names no key. If the sender rotated its keys, a copy of its key set is out of date, and a pinned key may \
             have been replaced: give the URL of the set instead. A capture from before the rotation can only be verified \
             with the keys of that time.",
};
const UNKNOWN_FETCHED_KEY: Explanation = Explanation {
    code: "v1a_key_unknown",
    title: "the delivery is signed (`v1a`) with none of the keys that the sender publishes now",
    advice: "The keys were fetched just now, so they are not out of date. The capture is from before a rotation, or another \
             sender's keys were given, or the body or the headers were changed.",
};

/// The possibilities that remain when nothing is certain.
pub(crate) fn remaining(case: &Case) -> Vec<Finding> {
    let keys: Vec<_> = case.trust.labels("v1a").map(|label| format!("`{}`", crate::shown::shown(label))).collect();
    let unknown_key = (!keys.is_empty() && scheme::lists(case, "v1a"))
        .then_some(if case.trust.is_fetched { &UNKNOWN_FETCHED_KEY } else { &UNKNOWN_KEY })
        .map(|explanation| explanation.possible(format!("Nothing matches with {}.", keys.join(", "))));
    let labels: Vec<_> = case.secrets.iter().map(|secret| format!("`{}`", secret.label)).collect();
    let wrong_secret =
        (!labels.is_empty()).then(|| WRONG_SECRET.possible(format!("Nothing matches with {}.", labels.join(", "))));
    let bytes = case.capture.body.len();
    let body_changed = BODY_CHANGED.possible(format!("None of the changes tried on the {bytes} bytes matches."));
    unknown_key.into_iter().chain(wrong_secret).chain([body_changed]).collect()
}
