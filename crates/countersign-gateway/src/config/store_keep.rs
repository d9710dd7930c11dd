//! How long deliveries of inboxes are kept.

use std::time::Duration;

use countersign_inbox::Keep;
use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;

/// How long deliveries are kept after their end, for lists and to deliver them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Keep")]
pub struct KeepSpec {
    /// Deliveries that are done. Default: 7 days.
    #[serde(default = "default_done", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub done: Duration,
    /// Dead letters. Default: 30 days.
    #[serde(default = "default_dead", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub dead: Duration,
}

impl Default for KeepSpec {
    fn default() -> Self {
        Self { done: default_done(), dead: default_dead() }
    }
}

impl From<KeepSpec> for Keep {
    fn from(KeepSpec { done, dead }: KeepSpec) -> Self {
        Self { done, dead }
    }
}

fn default_done() -> Duration {
    Keep::default().done
}

fn default_dead() -> Duration {
    Keep::default().dead
}
