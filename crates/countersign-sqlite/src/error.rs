//! Why a store cannot be opened, and why an operation failed.

use std::error::Error;
use std::io;
use std::sync::Arc;

use countersign::replay::StoreError;
use countersign_inbox::InboxError;
use rusqlite::ErrorCode;

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be created or read.
    #[error("the file cannot be opened: check that its directory exists and that this user may write there")]
    File(#[source] io::Error),
    /// SQLite reports an error.
    #[error("SQLite cannot use the file")]
    Database(#[from] rusqlite::Error),
    /// The file, or its file system, cannot be written.
    #[error(
        "the file is read-only: check that this user may write it, and that its file system is not mounted read-only"
    )]
    ReadOnly,
    /// The file belongs to another program.
    #[error("the file is an SQLite database of another program: choose another path")]
    Foreign,
    /// The file was written by a newer version.
    #[error("the file has schema version {found}, and this version supports {supported}: use a newer countersign")]
    Newer {
        /// The version of the file.
        found: u32,
        /// The newest version that this program supports.
        supported: u32,
    },
    /// The file system does not support a setting that durability requires.
    #[error("`{pragma}` is `{found}` instead of `{required}`: use a local file system")]
    NotDurable {
        /// The name of the setting.
        pragma: &'static str,
        /// Its value.
        found: String,
        /// The required value.
        required: &'static str,
    },
    /// The thread that writes cannot be started.
    #[error("no thread can be started")]
    Thread(#[source] io::Error),
}

/// Why an operation failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Full,
    Unavailable(Arc<dyn Error + Send + Sync>),
}

impl Failure {
    pub(crate) fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }

    /// The queue has no room, so the caller should retry later.
    pub(crate) fn overloaded() -> Self {
        Self::unavailable("too many operations are waiting for the disk")
    }

    pub(crate) fn closed() -> Self {
        Self::unavailable("the store is closed")
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::unavailable(error) }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::full(),
            Failure::Unavailable(cause) => Self::unavailable(cause),
        }
    }
}

impl From<Failure> for InboxError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}

/// Why a job stops: it was rejected and changed nothing, or the whole batch fails.
#[derive(Debug)]
pub(crate) enum Stop {
    Rejected(Failure),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether the disk, or the file by its limit, is full.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Whether the connection remains usable after this error. After any other error, it is opened again: the kernel may
/// have dropped pages that could not be written.
pub(crate) fn is_harmless(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
