//! Checks the integrity of a file.

use std::path::Path;

use rusqlite::Connection;

use super::{InspectError, open};
use crate::schema::supported;

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
const RULES: [(&str, &str); 7] = [
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
];

/// The same of what is counted. Older schema versions count elsewhere.
const COUNTS: [(&str, &str); 4] = [
    (
        "leases and claims with a number that was not given yet",
        "SELECT (SELECT count(*) FROM delivery WHERE token > counts.token)
            + (SELECT count(*) FROM seen WHERE token > counts.token) FROM counts",
    ),
    (
        "deliveries and message ids with a number that was not given yet",
        "SELECT (SELECT count(*) FROM delivery WHERE seq > counts.delivery)
            + (SELECT count(*) FROM seen WHERE seq > counts.id) FROM counts",
    ),
    (
        "messages that are not counted, or counted but not there",
        "SELECT abs(messages - (SELECT count(*) FROM message)) FROM counts",
    ),
    (
        "destinations whose backlog does not match their deliveries",
        "SELECT count(*) FROM (
            SELECT sum(waiting) AS waiting, sum(leased) AS leased, sum(dead) AS dead FROM (
                SELECT destination, waiting, leased, dead FROM backlog
                UNION ALL SELECT destination, -(state = 0), -(state = 1), -(state = 3) FROM delivery)
            GROUP BY destination) WHERE waiting <> 0 OR leased <> 0 OR dead <> 0",
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
        let counts = COUNTS.iter().filter(|_| schema_version == supported());
        for (what, query) in RULES.iter().chain(counts) {
            let found: i64 = snapshot.query_row(query, [], |row| row.get(0))?;
            if found != 0 {
                problems.push(format!("{what}: {found}"));
            }
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
