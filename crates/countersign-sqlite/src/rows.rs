//! Reads the ids that other processes have written, and at the start those of the whole file.

use rusqlite::Connection;

use crate::ids::Ids;

/// Learns the ids of all rows after the last known one. Returns how many there were.
pub(crate) fn follow(db: &Connection, ids: &mut Ids) -> rusqlite::Result<usize> {
    let mut statement = db.prepare_cached("SELECT seq, key FROM seen WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([ids.last()])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let key = row.get_ref(1)?.as_blob()?;
        ids.learn(key, seq);
        found += 1;
    }
    Ok(found)
}

/// Learns the ids of the whole file.
pub(crate) fn load(db: &Connection, ids: &mut Ids) -> rusqlite::Result<()> {
    ids.clear();
    let rows: usize = db.query_row("SELECT count(*) FROM seen", [], |row| row.get(0))?;
    ids.reserve(rows);
    follow(db, ids).map(drop)
}
