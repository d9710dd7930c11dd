//! Event filters: patterns of event types.

use std::borrow::Cow;

use countersign::filter::EventFilter;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::key_path::KeyPath;
use super::values::text;

/// The event types that a route forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    patterns: Vec<Pattern>,
    filter: EventFilter,
}

/// One pattern: an exact type, a prefix like `batch.*`, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(String);

impl Events {
    /// The filter with all patterns.
    pub fn filter(&self) -> &EventFilter {
        &self.filter
    }

    /// Whether every event is forwarded, also one whose type cannot be read.
    pub(super) fn is_all(&self) -> bool {
        self.patterns.iter().any(|Pattern(pattern)| pattern == "*")
    }

    /// Warns of patterns that match nothing that the others do not match.
    pub(super) fn check(&self, at: &KeyPath, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        if self.patterns.is_empty() {
            return Err(Problem::at(at, "no event would be forwarded: leave `events` out, or write [\"*\"], for all"));
        }
        for (position, Pattern(pattern)) in self.patterns.iter().enumerate() {
            // Of two equal patterns, the second is reported.
            let others = self.patterns.iter().enumerate().map(|(other, Pattern(text))| (other, text));
            let mut others =
                others.filter(|(other, text)| *other < position || (*other > position && *text != pattern));
            let message = if let Some((_, wider)) = others.find(|(_, wider)| covers(wider, pattern)) {
                if wider == pattern {
                    format!("the events {pattern:?} are listed twice")
                } else {
                    format!("the events {pattern:?} are in {wider:?} already")
                }
            } else if pattern.trim_end_matches(".*").split('.').any(str::is_empty) {
                format!("{pattern:?} has an empty part, as no type of an event does: it matches nothing")
            } else {
                continue;
            };
            warnings.push(Problem::at(&at.entry(position), message));
        }
        Ok(())
    }
}

/// Whether `wider` matches each event that `pattern` matches.
fn covers(wider: &str, pattern: &str) -> bool {
    // For a prefix: the shortest type that begins with it, and a character that no pattern contains.
    let example = match pattern.strip_suffix('*') {
        Some("") => return wider == "*",
        Some(prefix) => format!("{prefix}\u{0}"),
        None => pattern.to_owned(),
    };
    EventFilter::new([wider]).is_ok_and(|filter| filter.admits(Some(&example)))
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let patterns = Vec::<Pattern>::deserialize(deserializer)?;
        let filter = EventFilter::new(patterns.iter().map(|Pattern(text)| text)).map_err(D::Error::custom)?;
        Ok(Self { patterns, filter })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "an event type, \"prefix.*\" or \"*\"", |pattern| {
            EventFilter::new([pattern]).map_err(|error| error.to_string())?;
            if pattern.trim() != pattern || pattern.contains(char::is_control) {
                return Err(format!("{pattern:?} matches no event: no type begins or ends with white space"));
            }
            if pattern.contains(|char: char| char == ',' || char.is_whitespace()) {
                let how = "write each pattern as a text of its own, [\"a\", \"b\"]";
                return Err(format!("{pattern:?} matches no event: {how}"));
            }
            Ok(Self(pattern.to_owned()))
        })
    }
}

impl JsonSchema for Events {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Events".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "string", "pattern": r"^([^*,\s]+|[^*,\s]*\.\*|\*)$" },
            "minItems": 1,
            "examples": [["batch.*", "video.generated"]],
        })
    }
}
