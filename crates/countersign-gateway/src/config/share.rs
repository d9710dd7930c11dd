//! Shares, like 0.01 for one in a hundred.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A share, from 0 for none to 1 for all, in steps of a millionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    millionths: u64,
}

impl Share {
    const WHOLE: u64 = 1_000_000;
    /// All.
    pub const ALL: Self = Self { millionths: Self::WHOLE };

    /// Whether it is all.
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }

    /// Whether the occurrence with this number, counted from 0, belongs to the share. Those that do are as evenly spread as
    /// possible, and the first one does, unless the share is 0.
    pub fn includes(self, number: u64) -> bool {
        let before = u128::from(number) * u128::from(self.millionths);
        let whole = u128::from(Self::WHOLE);
        self.millionths > 0 && before.div_ceil(whole) < (before + u128::from(self.millionths)).div_ceil(whole)
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}

const HINT: &str = "write a share from 0 for none to 1 for all, like 0.01 for one in a hundred";

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(ShareVisitor)
    }
}

struct ShareVisitor;

impl Visitor<'_> for ShareVisitor {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 1")
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to a million")]
    fn visit_f64<E: Error>(self, share: f64) -> Result<Share, E> {
        if !(0.0..=1.0).contains(&share) {
            return Err(E::custom(HINT));
        }
        // A share that is not zero does not become zero.
        let least = u64::from(share > 0.0);
        Ok(Share { millionths: ((share * 1e6).round() as u64).max(least) })
    }

    fn visit_i64<E: Error>(self, share: i64) -> Result<Share, E> {
        match share {
            0 => Ok(Share { millionths: 0 }),
            1 => Ok(Share::ALL),
            _ => Err(E::custom(HINT)),
        }
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    use super::*;

    fn share(share: f64) -> Share {
        Share::deserialize(IntoDeserializer::<Error>::into_deserializer(share)).unwrap()
    }

    #[test]
    fn a_share_is_spread_evenly_and_begins_with_the_first() {
        for (text, count) in [(1.0, 1000), (0.5, 500), (0.01, 10), (0.3, 300), (0.001, 1), (0.0, 0)] {
            let included: Vec<_> = (0..1000).filter(|number| share(text).includes(*number)).collect();
            assert_eq!(included.len(), count, "{text}");
            assert!(text == 0.0 || included.first() == Some(&0), "{text}");
        }
        assert_eq!(
            (0..500).filter(|number| share(0.01).includes(*number)).collect::<Vec<_>>(),
            [0, 100, 200, 300, 400]
        );
        assert!(share(1.0).includes(u64::MAX) && !share(0.0).includes(u64::MAX));
        assert!(share(1e-9).includes(0));
    }

    #[test]
    fn other_numbers_are_errors() {
        for number in [-0.1, 1.01, f64::NAN, f64::INFINITY] {
            let share = Share::deserialize(IntoDeserializer::<Error>::into_deserializer(number));
            assert!(share.is_err(), "{number}");
        }
    }
}
