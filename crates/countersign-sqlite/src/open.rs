//! Opens connections with the settings that durability requires.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};

use crate::error::{OpenError, is_harmless};
use crate::options::Options;
use crate::schema;

/// How often a process tries to write while another one uses the file, and the pause in between: 5 s in all. The pauses
/// of SQLite itself grow to 100 ms, in which the other process gets the file again and again.
const TRIES: i32 = 5_000;
const TRY: Duration = Duration::from_millis(1);
/// How long a connection that only reads waits.
const BUSY: Duration = Duration::from_secs(5);
/// The pause between attempts to set WAL mode, which does not wait by itself.
const PAUSE: Duration = Duration::from_millis(20);
const ATTEMPTS: u32 = 250;

/// Opens the connection that writes, and creates or migrates the schema.
pub(crate) fn writer(path: &Path, options: Options) -> Result<Connection, OpenError> {
    create(path).map_err(OpenError::File)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    if db.is_readonly(MAIN_DB)? {
        return Err(OpenError::ReadOnly);
    }
    db.busy_handler(Some(wait))?;
    set_wal(&db)?;
    db.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;",
    )?;
    let found: u32 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if found != 2 {
        return Err(OpenError::NotDurable { pragma: "synchronous", found: found.to_string(), required: "2" });
    }
    db.set_prepared_statement_cache_capacity(32);
    schema::prepare(&mut db)?;
    let page: u64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = options.hard_limit() / page.max(1);
    db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    Ok(db)
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    Ok(db)
}

/// Whether to try again.
fn wait(tries: i32) -> bool {
    thread::sleep(TRY);
    tries < TRIES
}

/// Creates the file for this user only, because bodies and headers may be secret.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Sets WAL mode, unless it is set. If two processes open a new file at once, one fails at once and has to try again.
fn set_wal(db: &Connection) -> Result<(), OpenError> {
    let mut attempt = 1;
    loop {
        match wal(db) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(found) => return Err(OpenError::NotDurable { pragma: "journal_mode", found, required: "wal" }),
            Err(error) if attempt < ATTEMPTS && is_harmless(&error) => {
                attempt += 1;
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn wal(db: &Connection) -> rusqlite::Result<String> {
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == "wal" {
        return Ok(mode);
    }
    db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
}
