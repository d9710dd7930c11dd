//! How the message ids of a source are remembered.

use std::time::Duration;

use countersign::replay::MemoryStore;
use countersign_tower::VerifyLayer;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::capacity::Capacity;
use super::error::Problem;
use super::key_path::KeyPath;
use super::values::count;
use super::{duration, limits};

/// How message ids are remembered, so that duplicates are not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaySpec {
    /// How long an id is remembered after its message was handled.
    pub retain: Duration,
    /// How long a message counts as being handled if the outcome never becomes known.
    pub lease: Duration,
    /// How many ids fit.
    pub capacity: usize,
}

/// How message ids are remembered, so that duplicates are not forwarded.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Replay")]
pub(super) struct ReplayTable {
    /// How long an id is remembered after its message was handled. It has to cover the time in which the sender retries,
    /// and must not be shorter than the time in which a signature is accepted. Default: that of the `preset`, or 25 h.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    retain: Option<Duration>,
    /// How long a message counts as being handled if the outcome never becomes known. Retries in that time get 409. It must
    /// not be shorter than the `upstream_timeout` of any route of the source. Default: 60 s.
    #[serde(default = "default_lease", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    lease: Duration,
    /// How many ids fit, from 1 to 2147483648. A full store rejects new messages with 503. Each id takes about 64 bytes of
    /// memory. Default: 1000000.
    #[serde(default = "default_capacity", deserialize_with = "capacity")]
    #[schemars(range(min = 1, max = 2_147_483_648_u32))]
    capacity: usize,
}

impl ReplayTable {
    /// With this time in which ids are remembered, if none is written.
    pub(super) fn or_retain(self, retain: Duration) -> ReplaySpec {
        let Self { retain: written, lease, capacity } = self;
        ReplaySpec { retain: written.unwrap_or(retain), lease, capacity }
    }
}

impl Default for ReplayTable {
    fn default() -> Self {
        Self { retain: None, lease: default_lease(), capacity: default_capacity() }
    }
}

fn default_lease() -> Duration {
    VerifyLayer::DEFAULT_LEASE
}

fn default_capacity() -> usize {
    MemoryStore::DEFAULT_CAPACITY
}

fn capacity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(deserializer, 1..=1 << 31, "the capacity is between 1 and 2147483648 ids")
}

impl ReplaySpec {
    /// How many messages the store has room for.
    pub fn room(&self) -> Capacity {
        Capacity::new(self.capacity, self.retain)
    }

    /// Warns of values that are probably not meant.
    pub(super) fn check(&self, source: &str, warnings: &mut Vec<Problem>) {
        let at = KeyPath::source(source).key("replay");
        if self.retain < Duration::from_hours(24) {
            let message = format!(
                "`{source}` remembers ids for {:?}, but senders retry for 24 h: a later retry is forwarded again",
                self.retain
            );
            warnings.push(Problem::at(&at.key("retain"), message));
        }
        limits::warn_of_capacity(&at.key("capacity"), self.capacity, warnings);
        let why = "if the outcome of a delivery never becomes known, its retries get 409 for that long";
        limits::warn_outside(&at, "lease", self.lease, Duration::ZERO..=Duration::from_hours(24), why, warnings);
        let room = self.room();
        if room.is_low() {
            let message =
                format!("source \"{source}\": {room}; more are rejected with 503 (store_full): raise `capacity`");
            warnings.push(Problem::at(&at.key("capacity"), message));
        }
    }
}
