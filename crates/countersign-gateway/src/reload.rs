//! Requests to read the configuration again, from the admin listener to the process.

use std::fmt;

use tokio::sync::{mpsc, oneshot};

/// How many requests may wait. Each of them reads the same file.
const MAX_WAITING: usize = 8;

/// The warnings of the new configuration, or why it was not used.
pub type Outcome = Result<Vec<String>, String>;

/// Asks the process to reload. Clones ask the same process.
#[derive(Clone, Debug)]
pub struct Reload(mpsc::Sender<oneshot::Sender<Outcome>>);

/// Where requests arrive, each with the sender of its outcome.
pub type Requests = mpsc::Receiver<oneshot::Sender<Outcome>>;

/// Why the configuration was not reloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadError {
    /// The new configuration cannot be used, and the previous one stays in use.
    Rejected(String),
    /// The process is stopping, or too many requests wait.
    Busy,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(error) => f.write_str(error),
            Self::Busy => f.write_str("the process is stopping, or other reloads are in progress: try again later"),
        }
    }
}

impl std::error::Error for ReloadError {}

/// The two ends of the way from the admin listener to the process.
pub fn channel() -> (Reload, Requests) {
    let (sender, requests) = mpsc::channel(MAX_WAITING);
    (Reload(sender), requests)
}

impl Reload {
    /// Reloads, and returns the warnings of the new configuration.
    pub async fn request(&self) -> Result<Vec<String>, ReloadError> {
        let (sender, outcome) = oneshot::channel();
        self.0.try_send(sender).map_err(|_| ReloadError::Busy)?;
        outcome.await.map_err(|_| ReloadError::Busy)?.map_err(ReloadError::Rejected)
    }
}
