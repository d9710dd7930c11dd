//! What all parts of a store need to know.

use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) retain: Duration,
    pub(crate) timeout: Duration,
    pub(crate) max_messages: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { retain: Duration::from_secs(25 * 60 * 60), timeout: Duration::from_secs(1), max_messages: 1_000_000 }
    }
}
