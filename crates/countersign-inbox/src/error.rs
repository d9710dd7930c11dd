//! Why an operation of an inbox failed.

use std::error::Error;
use std::sync::Arc;

use countersign::replay::{StoreError, StoreErrorKind};

/// An operation of an inbox failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// The inbox is full. It never discards a message to make room.
    #[error("the inbox is full")]
    Full,
    /// The inbox cannot be reached, or it failed.
    #[error("the inbox is unavailable")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The inbox did not respond in time.
    #[error("the inbox did not respond in time")]
    TimedOut,
}

impl InboxError {
    /// The inbox cannot be reached, or it failed. `cause` is the error of the inbox's client.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }

    /// The text of the error and of its cause, for logs.
    #[cfg(feature = "worker")]
    pub(crate) fn with_cause(&self) -> String {
        match self.source() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

/// For a store that is both a replay store and an inbox.
impl From<StoreError> for InboxError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Full => Self::Full,
            StoreErrorKind::TimedOut => Self::TimedOut,
            _ => Self::unavailable(error),
        }
    }
}
