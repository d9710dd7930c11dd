//! How verified messages of a route reach their backends.

use std::time::Duration;

use countersign_inbox::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::duration;
use super::error::Problem;
use super::key_path::KeyPath;
use super::values::text;

/// How verified messages of a route reach their backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Delivery")]
pub enum DeliverySpec {
    /// While the sender waits. It gets the backend's response.
    #[default]
    Direct,
    /// The message is stored, and the sender gets 202. It is delivered afterwards, with retries.
    Inbox,
}

impl<'de> Deserialize<'de> for DeliverySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"direct\" or \"inbox\"", |text| match text {
            "direct" => Ok(Self::Direct),
            "inbox" => Ok(Self::Inbox),
            _ => Err("write \"direct\" or \"inbox\""),
        })
    }
}

/// When a delivery that failed is attempted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Redelivery")]
pub struct RedeliverySpec {
    /// The time between the first attempt and the second. It doubles with each attempt, and varies by a fifth. A
    /// `Retry-After` of the backend can make it longer. Default: 10 s.
    #[serde(default = "default_first", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub first: Duration,
    /// The longest time between two attempts. Default: 1 h.
    #[serde(default = "default_max", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub max: Duration,
    /// How long a message is attempted after it arrived. Then it is kept as a dead letter. Default: 24 h.
    #[serde(rename = "for", default = "default_window", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub window: Duration,
}

impl Default for RedeliverySpec {
    fn default() -> Self {
        Self { first: default_first(), max: default_max(), window: default_window() }
    }
}

fn default_first() -> Duration {
    Duration::from_secs(10)
}

fn default_max() -> Duration {
    Duration::from_hours(1)
}

fn default_window() -> Duration {
    Duration::from_hours(24)
}

impl RedeliverySpec {
    /// The schedule of the attempts.
    pub fn schedule(self) -> Schedule {
        Schedule { first: self.first, longest: self.max, window: self.window, ..Schedule::default() }
    }

    pub(super) fn check(self, at: &KeyPath) -> Result<(), Problem> {
        if self.max < self.first || self.window < self.first {
            let message = format!(
                "the second attempt follows after {:?}: use a shorter `first`, or a longer `max` and `for`",
                self.first
            );
            return Err(Problem::at_first([at.key("first"), at.key("max"), at.key("for")], message));
        }
        Ok(())
    }
}
