//! Checks the integrity of a file.

use std::path::Path;

use rusqlite::Connection;

use super::{InspectError, open};

/// The most problems of each kind that are listed.
const LISTED: usize = 20;

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// The version of the schema.
    pub schema_version: u32,
    /// What is wrong. Empty if the file is sound.
    pub problems: Vec<String>,
}

/// What must be true, as the number of rows for which it is not.
const RULES: [(&str, &str); 8] = [
    (
        "deliveries without their message",
        "SELECT count(*) FROM delivery WHERE message NOT IN (SELECT seq FROM message)",
    ),
    ("messages without their body", "SELECT count(*) FROM message WHERE seq NOT IN (SELECT seq FROM body)"),
    ("bodies without their message", "SELECT count(*) FROM body WHERE seq NOT IN (SELECT seq FROM message)"),
    (
        "messages that count other deliveries than they have",
        "SELECT count(*) FROM message LEFT JOIN (SELECT message, count(*) AS found FROM delivery GROUP BY message)
            AS counted ON counted.message = message.seq WHERE remain <> ifnull(found, 0) OR remain < 1",
    ),
    ("deliveries in an unknown state", "SELECT count(*) FROM delivery WHERE state NOT BETWEEN 0 AND 3"),
    ("message ids that are stored twice", "SELECT count(*) - count(DISTINCT key) FROM seen"),
    (
        "message ids that cannot be read",
        "SELECT count(*) FROM seen WHERE typeof(key) <> 'blob' OR instr(key, x'00') < 2 OR state NOT IN (0, 1)",
    ),
    (
        "leases and claims with a number that was not given yet",
        "SELECT (SELECT count(*) FROM delivery WHERE token > counters.token)
            + (SELECT count(*) FROM seen WHERE token > counters.token) FROM counters",
    ),
];

/// Checks the structure of the file, and whether its tables fit together.
///
/// # Errors
/// Returns an error if the file is not a store, or so damaged that it cannot be read. Any other damage is in the report.
pub fn check(path: impl AsRef<Path>) -> Result<CheckReport, InspectError> {
    let (mut db, schema_version) = open(path.as_ref())?;
    // One snapshot, so that a gateway which writes meanwhile does not look like damage.
    let snapshot = db.transaction()?;
    let mut problems = structure(&snapshot)?;
    // Broken pages make the counts meaningless.
    if problems.is_empty() {
        for (what, query) in RULES {
            let found: i64 = snapshot.query_row(query, [], |row| row.get(0))?;
            if found != 0 {
                problems.push(format!("{what}: {found}"));
            }
        }
        let (counted, found): (i64, i64) =
            snapshot.query_row("SELECT messages, (SELECT count(*) FROM message) FROM counters", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        if counted != found {
            problems.push(format!("the counter of messages is {counted}, and there are {found}"));
        }
    }
    Ok(CheckReport { schema_version, problems })
}

fn structure(db: &Connection) -> Result<Vec<String>, InspectError> {
    let mut statement = db.prepare(&format!("PRAGMA quick_check({LISTED})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
