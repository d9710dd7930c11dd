//! Destinations as a whole: pauses, backlogs, due times.

use countersign::UnixTime;
use countersign_inbox::Backlog;
use rusqlite::{Connection, params};

use crate::batch::Batch;
use crate::error::Stop;

impl Batch<'_> {
    pub(crate) fn pause(&mut self, destination: &str, is_paused: bool) -> Result<bool, Stop> {
        let change = if is_paused {
            "INSERT INTO paused(destination) VALUES (?1) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM paused WHERE destination = ?1"
        };
        Ok(self.db.prepare_cached(change)?.execute([destination])? == 1)
    }
}

pub(crate) fn paused(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut select = db.prepare_cached("SELECT destination FROM paused ORDER BY destination")?;
    select.query_map([], |row| row.get(0))?.collect()
}

pub(crate) fn backlog(db: &Connection) -> rusqlite::Result<Vec<Backlog>> {
    // `state < 2` is the condition of the index.
    let mut select = db.prepare_cached(
        "SELECT destination, waiting, leased, dead,
            (SELECT min(since) FROM delivery WHERE delivery.destination = backlog.destination AND state < 2)
         FROM backlog WHERE waiting + leased + dead > 0 ORDER BY destination",
    )?;
    let entries = select.query_map([], |row| {
        Ok(Backlog {
            destination: row.get(0)?,
            waiting: row.get(1)?,
            leased: row.get(2)?,
            dead: row.get(3)?,
            oldest: row.get::<_, Option<u64>>(4)?.map(UnixTime::from_millis),
        })
    })?;
    entries.collect()
}

/// When the next delivery of a destination is due, or its lease expires, in milliseconds.
pub(crate) fn next_due(db: &Connection, destination: &str) -> rusqlite::Result<Option<u64>> {
    // `state < 2` is the condition of the index.
    let mut select = db.prepare_cached("SELECT min(due) FROM delivery WHERE destination = ?1 AND state < 2")?;
    select.query_row(params![destination], |row| row.get(0))
}
