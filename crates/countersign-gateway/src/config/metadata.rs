//! Patterns for the metadata of messages.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::values::text;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;

/// A text, or a pattern in which each `*` stands for any characters, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPattern(String);

impl TextPattern {
    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            let Some((_, after)) = left.split_once(part) else { return false };
            left = after;
        }
        left.ends_with(last)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        match text.len() {
            0 => Err("nothing matches an empty text: write a text, or \"*\" for any"),
            1..=MAX_PATTERN => Ok(Self(text.to_owned())),
            _ => Err("a pattern has at most 256 bytes"),
        }
    }
}

impl<'de> Deserialize<'de> for TextPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a text, or a pattern like \"nightly-*\"", Self::parse)
    }
}

impl JsonSchema for TextPattern {
    fn schema_name() -> Cow<'static, str> {
        "TextPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or a pattern in which each `*` stands for any characters.",
            "type": "string",
            "minLength": 1,
            "maxLength": 256,
            "examples": ["nightly-*"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_the_whole_text_matches() {
        let matches = |pattern: &str, text: &str| TextPattern::parse(pattern).expect("a pattern").matches(text);
        for (pattern, yes, no) in [
            ("nightly", &["nightly"][..], &["nightly-", "Nightly", ""][..]),
            ("nightly-*", &["nightly-", "nightly-1"], &["nightly", "x-nightly-1"]),
            ("*-eu", &["-eu", "a-eu"], &["a-eu-1"]),
            ("a*b", &["ab", "a-b", "abab"], &["a", "aba"]),
            ("aa*a", &["aaa", "aaba"], &["aa"]),
            ("a*b*c", &["abc", "axbxc", "abbc"], &["acb", "ac"]),
            ("*", &["", "x"], &[]),
            ("**x*", &["x", "axb"], &["y"]),
        ] {
            for text in yes {
                assert!(matches(pattern, text), "{pattern} {text}");
            }
            for text in no {
                assert!(!matches(pattern, text), "{pattern} {text}");
            }
        }
        assert!(TextPattern::parse("").is_err() && TextPattern::parse(&"x".repeat(257)).is_err());
    }
}
