//! Rewords the errors of the TOML parser and of serde.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::document::{Document, value_at};
use super::error::Problem;
use super::hide::{self, HIDDEN};
use super::key_path::{KeyPath, Step};
use super::{jwks, public_keys, reconcile, secrets, token, unknown};

/// How the keys of a source are written that many get wrong.
const FORMS: [(&str, &str); 4] =
    [("secrets", secrets::FORM), ("public_keys", public_keys::FORM), ("jwks", jwks::FORM), ("token", token::FORM)];
/// Keys whose value is one table. No other key has these names.
const TABLES: [&str; 14] = [
    "server",
    "sources",
    "store",
    "keep",
    "sentinel",
    "telemetry",
    "client_limits",
    "metadata",
    "replay",
    "jwks",
    "token",
    "tls",
    "reconcile",
    "pull",
];
/// The beginnings of serde's own messages, which repeat values.
const REPEATING: [&str; 4] = ["unknown variant", "invalid value", "invalid type", "duplicate field"];

/// The error with its key, what is wrong with it, and what to write instead.
pub(super) fn problem(error: &toml::de::Error, document: &Document) -> Problem {
    let message = error.message();
    let Some(span) = error.span() else { return Problem::whole(message) };
    let Ok(tree) = DeTable::parse(document.text()) else {
        return Problem::in_text(span.clone(), without_value(message, document.text().get(span).unwrap_or_default()));
    };
    let found = value_at(tree.get_ref(), &span);
    let (path, kind) = found.unwrap_or((KeyPath::default(), "table"));
    let reworded = unknown_key(message, &path)
        .or_else(|| missing_key(message, &path))
        .or_else(|| wrong_type(message, &path, kind))
        .unwrap_or_else(|| {
            let is_serdes = REPEATING.iter().any(|beginning| message.starts_with(beginning));
            let value = document.text().get(span.clone()).unwrap_or_default();
            named(if is_serdes { without_value(message, value) } else { message.to_owned() }, &path)
        });
    Problem::in_text(span, reworded)
}

/// An unknown key, and the one that was probably meant.
fn unknown_key(message: &str, path: &KeyPath) -> Option<String> {
    let (key, expected) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let table = path.parent();
    let place = header(&table).map(|header| format!(" in {header}")).unwrap_or_default();
    let keys: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
    let form = form(&table).map(|form| format!(": {form}")).unwrap_or_default();
    Some(format!("unknown key \"{key}\"{place}; {}{form}", unknown::hint(key, &keys)))
}

fn missing_key(message: &str, table: &KeyPath) -> Option<String> {
    let key = message.strip_prefix("missing field `")?.strip_suffix('`')?;
    let place = header(table).map(|header| format!(" in {header}")).unwrap_or_default();
    let form = form(table).map(|form| format!(": {form}")).unwrap_or_default();
    Some(format!("missing key \"{key}\"{place}{form}"))
}

/// A value of the wrong type. The value itself is not repeated.
fn wrong_type(message: &str, path: &KeyPath, kind: &str) -> Option<String> {
    let (_, expected) = message.strip_prefix("invalid type: ")?.split_once(", expected ")?;
    Some(not(if expected.starts_with("struct ") { "a map" } else { expected }, path, kind))
}

/// The value at this path is of this kind, but has to be something else.
fn not(expected: &str, path: &KeyPath, kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    let must = match (form(path), expected) {
        (Some(form), _) => form.to_owned(),
        (None, "a sequence") => "it must be an array".to_owned(),
        (None, "a map") => "it must be a table".to_owned(),
        (None, expected) => format!("it must be {expected}"),
    };
    match path.last_key() {
        Some((key, false)) => format!("`{key}` is {article} {kind}; {must}"),
        Some((key, true)) => format!("an entry of `{key}` is {article} {kind}; {must}"),
        None => must,
    }
}

/// Rejects arrays in place of tables: serde would read their entries as the values of the keys, one after the other.
pub(super) fn check_tables(document: &Document) -> Result<(), Problem> {
    let Ok(tree) = DeTable::parse(document.text()) else { return Ok(()) };
    match array_for_table(tree.get_ref(), &KeyPath::default()) {
        Some((path, span)) => Err(Problem::in_text(span, not("a map", &path, "array"))),
        None => Ok(()),
    }
}

fn array_for_table(table: &DeTable<'_>, at: &KeyPath) -> Option<(KeyPath, Range<usize>)> {
    let are_tables = matches!(at.steps(), [Step::Key(only)] if only == "sources");
    table.iter().find_map(|(key, value)| {
        let path = at.key(key.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => array_for_table(table, &path),
            DeValue::Array(_) if are_tables || TABLES.contains(&&**key.get_ref()) => Some((path, value.span())),
            DeValue::Array(entries) => entries.iter().enumerate().find_map(|(position, entry)| match entry.get_ref() {
                DeValue::Table(table) => array_for_table(table, &path.entry(position)),
                DeValue::Array(_) => Some((path.entry(position), entry.span())),
                _ => None,
            }),
            _ => None,
        }
    })
}

/// The message, with the key in front unless it is named already.
fn named(message: String, path: &KeyPath) -> String {
    match path.last_key() {
        Some((key, _)) if !message.contains(&format!("`{key}`")) => format!("`{key}`: {message}"),
        _ => message,
    }
}

/// How the value of this path is written, if it is one that many get wrong.
fn form(path: &KeyPath) -> Option<&'static str> {
    let last = match path.steps() {
        [Step::Key(routes)] if routes == "routes" => return Some("each route begins with [[routes]]"),
        [Step::Key(routes), Step::Entry(_), Step::Key(last)] if routes == "routes" && last == "destinations" => {
            return Some("each destination begins with [[routes.destinations]]");
        }
        [Step::Key(sources)] if sources == "sources" => {
            return Some("each source begins with its name, as in [sources.gemini]");
        }
        [Step::Key(sources), Step::Key(_), Step::Key(last)]
        | [Step::Key(sources), Step::Key(_), Step::Key(last), Step::Entry(_)]
            if sources == "sources" =>
        {
            last
        }
        [Step::Key(_), Step::Entry(_), Step::Key(table), rest @ ..] if table == "reconcile" => {
            return reconcile::form(rest);
        }
        _ => return None,
    };
    FORMS.iter().find(|(key, _)| *key == last).map(|(_, form)| *form)
}

/// The header of a table. A table in an array of a source has none.
fn header(table: &KeyPath) -> Option<String> {
    let [Step::Key(first), rest @ ..] = table.steps() else { return None };
    match (first.as_str(), rest) {
        ("routes", [Step::Entry(_)]) => Some("[[routes]]".to_owned()),
        ("routes", [Step::Entry(_), Step::Key(key), Step::Entry(_)]) if key == "destinations" => {
            Some("[[routes.destinations]]".to_owned())
        }
        (_, rest) => rest
            .iter()
            .try_fold(first.clone(), |header, step| match step {
                Step::Key(key) => Some(format!("{header}.{key}")),
                Step::Entry(_) => None,
            })
            .map(|header| format!("[{header}]")),
    }
}

/// The message without this value if it could be a secret, however it is quoted there.
fn without_value(message: &str, value: &str) -> String {
    match message.split_once(['"', '`']) {
        Some((start, _)) if hide::is_like_a_secret(value) => {
            let expected = message.rsplit_once(", expected").map(|(_, rest)| format!(", expected{rest}"));
            format!("{start}{HIDDEN}{}", expected.unwrap_or_default())
        }
        _ => message.to_owned(),
    }
}
