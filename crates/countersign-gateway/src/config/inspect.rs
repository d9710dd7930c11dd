//! The inspector.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::values::count;

/// The inspector: the page `/inspect` of the admin listener, and what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Inspect")]
pub struct InspectSpec {
    /// How many verified requests are kept in memory, and how many others, from 1 to 100000. Default: 1000.
    #[serde(default = "default_requests", deserialize_with = "requests")]
    #[schemars(range(min = 1, max = 100_000))]
    pub requests: usize,
    /// Whether bodies are kept, up to 16 MiB of verified requests and as many of others. Those of verified requests are
    /// shown. With those of others, the page can explain why a signature was rejected. Default: false.
    #[serde(default)]
    pub bodies: bool,
}

fn default_requests() -> usize {
    1000
}

fn requests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(deserializer, 1..=100_000, "from 1 to 100000; the default is 1000")
}
