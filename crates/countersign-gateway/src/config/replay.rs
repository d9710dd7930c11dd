//! How the message ids of a source are remembered.

use std::time::Duration;

/// How message ids are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaySpec {
    /// Where they are stored.
    pub store: StoreSpec,
    /// For how long.
    pub retain: Duration,
    /// How long a claim lasts that is neither confirmed nor released.
    pub lease: Duration,
    /// How many ids fit.
    pub capacity: usize,
}

/// Where message ids are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreSpec {
    /// In the memory of the process.
    Memory,
}
