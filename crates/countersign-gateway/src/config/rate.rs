//! Rates: a number in a second, minute or hour, such as "90/s".

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::values::{count, text};
use crate::rate::Rate;

/// A higher rate or burst limits nothing.
const MOST: u32 = 1_000_000;

/// A number in a second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSpec {
    count: u32,
    per: Duration,
}

impl RateSpec {
    /// The rate with this burst. Default: the number of the rate.
    pub fn with_burst(self, burst: Option<usize>) -> Rate {
        let burst = burst.map_or(self.count, |burst| u32::try_from(burst).unwrap_or(MOST));
        Rate::new(self.count, self.per, burst)
    }
}

impl<'de> Deserialize<'de> for RateSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a rate like \"90/s\"", parse)
    }
}

impl JsonSchema for RateSpec {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, a slash, and `s`, `m` or `h`: so many in each second, minute or hour.",
            "type": "string",
            "pattern": "^[1-9][0-9]*/[smh]$",
            "examples": ["90/s", "600/m"],
        })
    }
}

fn parse(text: &str) -> Result<RateSpec, &'static str> {
    let (count, unit) = text.split_once('/').unwrap_or((text, ""));
    let per = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return Err("a rate is a number in a second, minute or hour, like \"90/s\", \"600/m\" or \"5000/h\""),
    };
    let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    match count.parse() {
        Ok(count @ 1..=MOST) if is_number => Ok(RateSpec { count, per }),
        _ => Err("the number of a rate is between 1 and 1000000"),
    }
}

pub(super) fn in_flight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    count(deserializer, 1..=usize::MAX, "no request would be forwarded: allow one at least").map(Some)
}

pub(super) fn burst<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    count(deserializer, 1..=MOST as usize, "a burst is between 1 and 1000000").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_unit() {
        let per = |seconds| Duration::from_secs(seconds);
        assert_eq!(parse("90/s").unwrap().with_burst(None), Rate::new(90, per(1), 90));
        assert_eq!(parse("600/m").unwrap().with_burst(Some(5)), Rate::new(600, per(60), 5));
        assert_eq!(parse("1/h").unwrap().with_burst(None), Rate::new(1, per(3600), 1));
        for text in ["", "90", "/s", "90/d", "0/s", "-1/s", "+1/s", "1.5/s", "90/ s", "1000001/s", "9/s/s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
