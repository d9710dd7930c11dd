//! Gives the free pages of a file back to the disk.

use std::path::Path;

use super::{InspectError, check_schema, open_to_write};

/// What [`vacuum`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VacuumReport {
    /// The size of the file before, in bytes.
    pub before: u64,
    /// The size of the file now, in bytes.
    pub after: u64,
}

/// Writes the file again without its free pages. This needs room for a second copy of the file.
///
/// The file is locked meanwhile. A crash changes nothing.
///
/// # Errors
/// [`InspectError::InUse`] at once if another process has the file open, and nothing is changed. A writer that waited for
/// this would fail.
pub fn vacuum(path: impl AsRef<Path>) -> Result<VacuumReport, InspectError> {
    let path = path.as_ref();
    let db = open_to_write(path)?;
    // Each open connection in WAL mode holds a shared lock, so this fails if there is another one.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    check_schema(&db)?;
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE);")?;
    let size = || std::fs::metadata(path).map(|file| file.len()).map_err(InspectError::File);
    let before = size()?;
    db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(VacuumReport { before, after: size()? })
}
