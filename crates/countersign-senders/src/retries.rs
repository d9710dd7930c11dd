//! When a sender attempts a failed delivery again.

use std::time::Duration;

/// The retries of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retries {
    /// With these delays, as the sender lists them.
    Delays(&'static [Duration]),
    /// With a delay that grows exponentially from `first`, until `window` after the event. The sender does not list the
    /// delays.
    Backoff {
        /// The first delay.
        first: Duration,
        /// How long after the event the sender retries.
        window: Duration,
    },
}

impl Retries {
    /// How long after the first attempt the last one is made, at most.
    pub fn total(&self) -> Duration {
        match self {
            Self::Delays(delays) => delays.iter().sum(),
            Self::Backoff { window, .. } => *window,
        }
    }
}
