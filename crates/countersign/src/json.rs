//! Whether two texts are the same JSON, exactly: a number is compared as it is written, a duplicate
//! name makes an object equal to nothing.
//!
//! Values are compared without being converted, for a conversion is where two texts that mean
//! different things become one: `1e400`, or an integer that no f64 can hold.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper texts than this are equal to nothing, as in `serde_json` itself.
const MAX_DEPTH: usize = 128;

/// An object's members in the order in which they are written.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object whose names are all different.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        Self::of(std::str::from_utf8(text).ok()?)
    }

    /// Without the members of these names.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&name.as_ref()));
        self
    }

    /// The member of this name, if it is a string.
    pub(crate) fn string(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        serde_json::from_str(value.get()).ok()
    }

    /// Whether both have the same names with the same values, in any order.
    pub(crate) fn equal(&self, other: &Self) -> bool {
        equal_members(self, other, MAX_DEPTH)
    }

    fn of(text: &'a str) -> Option<Self> {
        let mut members = serde_json::from_str::<Self>(text).ok()?;
        members.0.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        members.0.windows(2).all(|pair| pair[0].0 != pair[1].0).then_some(members)
    }
}

fn equal_members(one: &Members<'_>, other: &Members<'_>, depth: usize) -> bool {
    one.0.len() == other.0.len()
        && one.0.iter().zip(&other.0).all(|((name, value), (other_name, other_value))| {
            name == other_name && equal_values(value.get(), other_value.get(), depth)
        })
}

fn equal_values(one: &str, other: &str, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match (one.as_bytes().first(), other.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => match (Members::of(one), Members::of(other)) {
            (Some(one), Some(other)) => equal_members(&one, &other, depth),
            _ => false,
        },
        (Some(b'['), Some(b'[')) => {
            match (serde_json::from_str::<Vec<&RawValue>>(one), serde_json::from_str::<Vec<&RawValue>>(other)) {
                (Ok(one), Ok(other)) => {
                    one.len() == other.len()
                        && one.iter().zip(&other).all(|(one, other)| equal_values(one.get(), other.get(), depth))
                }
                _ => false,
            }
        }
        (Some(b'"'), Some(b'"')) => {
            match (serde_json::from_str::<Cow<'_, str>>(one), serde_json::from_str::<Cow<'_, str>>(other)) {
                (Ok(one), Ok(other)) => one == other,
                _ => false,
            }
        }
        // A number, `true`, `false` or `null`.
        _ => one == other,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(one: &str, other: &str) -> bool {
        let parse = |text: &'static str| Members::parse(text.as_bytes());
        let (one, other): (&'static str, &'static str) = (one.to_owned().leak(), other.to_owned().leak());
        parse(one).is_some_and(|one| parse(other).is_some_and(|other| one.equal(&other)))
    }

    #[test]
    fn order_white_space_and_escapes_make_no_difference() {
        assert!(equal(
            r#"{"a":1,"b":[true,null,{"c":"é"}]}"#,
            "{ \"b\" : [ true, null, {\"c\":\"\\u00e9\"} ],\n\"a\":1 }"
        ));
        assert!(equal("{}", "{}"));
    }

    #[test]
    fn what_differs_is_not_equal() {
        for (one, other) in [
            (r#"{"a":1}"#, r#"{"a":2}"#),
            (r#"{"a":1}"#, r#"{"a":1.0}"#),
            (r#"{"a":18446744073709551616}"#, r#"{"a":18446744073709551617}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
            (r#"{"a":"1"}"#, r#"{"a":1}"#),
            (r#"{"a":{}}"#, r#"{"a":[]}"#),
            (r#"{"a":1}"#, "[1]"),
        ] {
            assert!(!equal(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_duplicate_name_equals_nothing_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"a":1}}"#, r#"{"b":[{"a":1,"\u0061":1}]}"#] {
            assert!(!equal(text, text), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(equal(&nested(100), &nested(100)));
        assert!(!equal(&nested(10_000), &nested(10_000)));
    }
}
