//! Durations: a number and a unit, such as "10s".

use std::time::Duration;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserializer, Serializer};

use super::values::text;

/// A longer duration has the wrong unit.
const LONGEST: Duration = Duration::from_hours(366 * 24);

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text(deserializer, "a duration like \"30s\" or \"5m\"", parse)
}

/// Writes it as it is read, in the largest unit that is exact, for the defaults in the schema.
pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let millis = duration.as_millis();
    let (unit, size) = units.into_iter().find(|(_, size)| millis.is_multiple_of(*size)).unwrap_or(("ms", 1));
    serializer.collect_str(&format_args!("{}{unit}", millis / size))
}

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[0-9].*[a-zA-Zµ]", "examples": ["500ms", "30s", "5m", "25h"] })
}

/// The same for a key without a fixed default.
pub(super) mod optional {
    use super::{Deserializer, Duration};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(d).map(Some)
    }
}

fn parse(text: &str) -> Result<Duration, &'static str> {
    match humantime::parse_duration(text).map_err(|_| "a duration is a number and a unit, like \"30s\" or \"5m\"")? {
        Duration::ZERO => Err("the duration is zero"),
        duration if duration > LONGEST => Err("the duration is longer than a year: is the unit right?"),
        duration => Ok(duration),
    }
}
