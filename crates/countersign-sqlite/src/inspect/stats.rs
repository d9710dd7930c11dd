//! Counts what is in a file.

use std::path::{Path, PathBuf};

use countersign::UnixTime;
use countersign_inbox::State;
use rusqlite::{Connection, Row};

use super::{InspectError, open};
use crate::state::state;

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStats {
    /// The version of the schema.
    pub schema_version: u32,
    /// The size of the file in bytes.
    pub size: u64,
    /// The size of its write-ahead log in bytes.
    pub log_size: u64,
    /// How many bytes of the file are free. They are used again.
    pub free: u64,
    /// How many messages there are.
    pub messages: u64,
    /// The size of their bodies in bytes.
    pub body_bytes: u64,
    /// When the oldest message was received.
    pub oldest_message: Option<UnixTime>,
    /// The message ids of each source, sorted by its name.
    pub ids: Vec<IdCount>,
    /// The deliveries, sorted by source, destination and state.
    pub deliveries: Vec<DeliveryCount>,
}

/// The message ids of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdCount {
    /// The name of the source.
    pub source: String,
    /// How many ids are remembered as done.
    pub done: u64,
    /// How many are claimed.
    pub in_flight: u64,
    /// How many have expired, and are removed by and by.
    pub expired: u64,
}

/// The deliveries of a source to a destination in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryCount {
    /// The name of the source.
    pub source: String,
    /// The name of the destination.
    pub destination: String,
    /// The state.
    pub state: State,
    /// How many there are.
    pub count: u64,
    /// When the oldest of them was enqueued or requeued.
    pub oldest: UnixTime,
    /// The most attempts of one of them.
    pub attempts: u32,
}

/// Counts what is in the file at this time.
///
/// # Errors
/// Returns an error if the file is not a store, or is damaged.
pub fn stats(path: impl AsRef<Path>, now: UnixTime) -> Result<FileStats, InspectError> {
    let path = path.as_ref();
    let (mut db, schema_version) = open(path)?;
    let snapshot = db.transaction()?;
    let pragma = |name: &str| snapshot.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let page = pragma("page_size")?;
    let (size, free) = (pragma("page_count")? * page, pragma("freelist_count")? * page);
    let (messages, oldest) = snapshot.query_row("SELECT count(*), min(received) FROM message", [], |row| {
        Ok((row.get(0)?, row.get::<_, Option<u64>>(1)?))
    })?;
    let body_bytes = snapshot.query_row("SELECT ifnull(sum(length(body)), 0) FROM body", [], |row| row.get(0))?;
    Ok(FileStats {
        schema_version,
        size,
        log_size: std::fs::metadata(log_of(path)).map_or(0, |file| file.len()),
        free,
        messages,
        body_bytes,
        oldest_message: oldest.map(UnixTime::from_millis),
        ids: ids(&snapshot, now)?,
        deliveries: deliveries(&snapshot)?,
    })
}

fn ids(db: &Connection, now: UnixTime) -> Result<Vec<IdCount>, InspectError> {
    let mut statement = db.prepare(
        "SELECT CAST(substr(key, 1, instr(key, x'00') - 1) AS TEXT) AS source,
            sum(until > ?1 AND state = 1), sum(until > ?1 AND state = 0), sum(until <= ?1)
            FROM seen GROUP BY source ORDER BY source",
    )?;
    let read = |row: &Row<'_>| {
        Ok(IdCount { source: row.get(0)?, done: row.get(1)?, in_flight: row.get(2)?, expired: row.get(3)? })
    };
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let rows = statement.query_map([now], read)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

fn deliveries(db: &Connection) -> Result<Vec<DeliveryCount>, InspectError> {
    let mut statement = db.prepare(
        "SELECT source, destination, state, count(*), min(since), max(attempts)
            FROM delivery JOIN message ON message.seq = delivery.message
            GROUP BY source, destination, state ORDER BY source, destination, state",
    )?;
    let read = |row: &Row<'_>| {
        Ok(DeliveryCount {
            source: row.get(0)?,
            destination: row.get(1)?,
            state: state(row, 2)?,
            count: row.get(3)?,
            oldest: UnixTime::from_millis(row.get(4)?),
            attempts: row.get(5)?,
        })
    };
    let rows = statement.query_map([], read)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// The write-ahead log of a file.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
