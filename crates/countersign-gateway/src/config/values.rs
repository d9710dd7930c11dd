//! Strings and numbers with a meaning, read in one step.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Reads a string with `parse`. `expected` completes "it must be …" if the value is something else.
pub(super) fn text<'de, D: Deserializer<'de>, T, P: Display>(
    deserializer: D,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Result<T, P>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(Text { expected, parse, output: PhantomData })
}

struct Text<F, T> {
    expected: &'static str,
    parse: F,
    output: PhantomData<T>,
}

impl<T, P: Display, F: FnOnce(&str) -> Result<T, P>> Visitor<'_> for Text<F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

/// Reads a whole number in this range. `hint` is the error for any other number.
pub(super) fn count<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: RangeInclusive<usize>,
    hint: &'static str,
) -> Result<usize, D::Error> {
    deserializer.deserialize_u64(Count { range, hint })
}

struct Count {
    range: RangeInclusive<usize>,
    hint: &'static str,
}

impl Visitor<'_> for Count {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<usize, E> {
        let count = usize::try_from(number).ok().filter(|count| self.range.contains(count));
        count.ok_or_else(|| E::custom(self.hint))
    }
}

/// A string that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NonEmpty(pub(super) String);

impl<'de> Deserialize<'de> for NonEmpty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a non-empty string", |text| match text {
            "" => Err("the string is empty; write a non-empty string"),
            text => Ok(Self(text.to_owned())),
        })
    }
}

impl JsonSchema for NonEmpty {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NonEmpty".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// Reads an array of strings that are not empty.
pub(super) fn strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(Strings)
}

struct Strings;

impl<'de> Visitor<'de> for Strings {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of non-empty strings, like [\"https://hooks.example.com/gemini\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<String>, A::Error> {
        let mut strings = Vec::new();
        while let Some(NonEmpty(text)) = entries.next_element()? {
            strings.push(text);
        }
        Ok(strings)
    }
}
