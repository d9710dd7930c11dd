//! Looks into the file of a store, for operators.
//!
//! [`check`] and [`stats`] only read, also while a gateway uses the file. Until they are done, the file's write-ahead log
//! is not shortened. [`vacuum`] needs the file for itself.

mod check;
mod error;
mod stats;
mod vacuum;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

pub use check::{CheckReport, check};
pub use error::InspectError;
pub use stats::{DeliveryCount, FileStats, IdCount, stats};
pub use vacuum::{VacuumReport, vacuum};

use crate::open::reader;
use crate::schema;

/// How each SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Opens a store to read it. Returns its schema version, too.
fn open(path: &Path) -> Result<(Connection, u32), InspectError> {
    check_magic(path)?;
    let db = reader(path)?;
    let version = check_schema(&db)?;
    Ok((db, version))
}

/// Opens a store to change it.
fn open_to_write(path: &Path) -> Result<Connection, InspectError> {
    check_magic(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    // A file in use is reported at once.
    db.busy_timeout(Duration::ZERO)?;
    Ok(db)
}

fn check_magic(path: &Path) -> Result<(), InspectError> {
    let mut start = [0; MAGIC.len()];
    let file = File::open(path).map_err(InspectError::File)?;
    if file.metadata().map_err(InspectError::File)?.is_dir() {
        return Err(InspectError::NoDatabase);
    }
    match (&file).read_exact(&mut start) {
        Ok(()) if start == *MAGIC => Ok(()),
        Ok(()) => Err(InspectError::NoDatabase),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(InspectError::NoDatabase),
        Err(error) => Err(InspectError::File(error)),
    }
}

fn check_schema(db: &Connection) -> Result<u32, InspectError> {
    if !schema::is_ours(db)? {
        return Err(InspectError::Foreign);
    }
    match schema::version(db)? {
        0 => Err(InspectError::Foreign),
        found if found > schema::supported() => Err(InspectError::Newer { found, supported: schema::supported() }),
        found => Ok(found),
    }
}
