//! Why a file cannot be looked into.

use std::io;

use rusqlite::ErrorCode;

/// A file cannot be looked into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    File(#[source] io::Error),
    /// The file is not an SQLite database, or its beginning is damaged.
    #[error("this is not an SQLite database, or its beginning is damaged")]
    NoDatabase,
    /// The file belongs to another program.
    #[error("this is an SQLite database of another program, and no store of countersign")]
    Foreign,
    /// The file was written by a newer version.
    #[error("the file has schema version {found}, and this version supports {supported}: use a newer countersign")]
    Newer {
        /// The version of the file.
        found: u32,
        /// The newest version that this program supports.
        supported: u32,
    },
    /// Another process has the file open.
    #[error("another process uses the file: stop the gateway first")]
    InUse,
    /// There is not enough room on the disk.
    #[error("there is not enough room on the disk: as much as the file has is needed once more")]
    NoRoom,
    /// The file is damaged.
    #[error("the file is damaged: {0}")]
    Damaged(rusqlite::Error),
    /// SQLite reports another error.
    #[error("SQLite cannot use the file: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for InspectError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error),
            Some(ErrorCode::NotADatabase) => Self::NoDatabase,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(ErrorCode::DiskFull) => Self::NoRoom,
            _ => Self::Database(error),
        }
    }
}
