//! Sizes in bytes: a number and a unit, such as "1 MiB", or a number of bytes.

use std::fmt;

use bytesize::ByteSize;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// No limit is larger.
const LARGEST: u64 = 1 << 40;

/// Reads a size of one byte or more.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    deserializer.deserialize_any(Size)
}

/// Writes it as it is read, in the largest unit that is exact, for the defaults in the schema.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let (unit, size) = units.into_iter().find(|(_, size)| bytes.is_multiple_of(*size)).unwrap_or(("B", 1));
    serializer.collect_str(&format_args!("{}{unit}", bytes / size))
}

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "type": "string", "pattern": "[0-9]" }, { "type": "integer", "minimum": 1, "maximum": LARGEST }],
        "examples": ["64KiB", "1 MiB", 1_048_576],
    })
}

/// The same for a key without a fixed default.
pub(super) mod optional {
    use serde::Deserializer;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<usize>, D::Error> {
        super::deserialize(d).map(Some)
    }
}

struct Size;

impl Visitor<'_> for Size {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size like \"64KiB\" or \"1MiB\", or a number of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<usize, E> {
        let size: ByteSize =
            text.parse().map_err(|_| E::custom("a size is a number and a unit, like \"64KiB\" or \"1MiB\""))?;
        checked(size.as_u64()).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<usize, E> {
        let bytes = u64::try_from(bytes).map_err(|_| E::custom("a size is not negative"))?;
        checked(bytes).map_err(E::custom)
    }
}

fn checked(bytes: u64) -> Result<usize, &'static str> {
    match bytes {
        0 => Err("the size is zero, so nothing would fit"),
        bytes if bytes > LARGEST => {
            Err("the size is larger than the memory of any machine (1 TiB is the most): is the unit right?")
        }
        _ => usize::try_from(bytes).map_err(|_| "the size is larger than this machine can address"),
    }
}
