//! The tables, and how those of an older version are brought up to date.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// Each entry brings the tables from the version before to its own, starting from an empty database. An entry that was
/// released never changes.
const VERSIONS: [&str; 2] = [include_str!("migrations/1.sql"), include_str!("migrations/2.sql")];

/// The number with which processes that migrate at the same time wait for each other.
const LOCK: i64 = 0x636f_756e_7465_7273;

/// The version that this crate uses.
pub(crate) fn version() -> i32 {
    i32::try_from(VERSIONS.len()).unwrap_or(i32::MAX)
}

/// The SQL that creates the tables in an empty database, for an operator who does not let the program do it.
pub fn schema() -> String {
    format!("BEGIN;\n{}COMMIT;\n", steps(0))
}

/// What is to be done from this version on.
fn steps(from: i32) -> String {
    let done = usize::try_from(from).unwrap_or(0);
    let tables: String = VERSIONS.iter().skip(done).copied().collect();
    let version = version();
    format!(
        "CREATE TABLE IF NOT EXISTS countersign_schema (version integer NOT NULL);\n{tables}\
         DELETE FROM countersign_schema;\nINSERT INTO countersign_schema (version) VALUES ({version});\n"
    )
}

/// Creates the tables, or brings them up to date. Tables of a later version stay as they are.
pub(crate) async fn migrate(client: &mut Client) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    let exists = transaction.query_typed("SELECT to_regclass('countersign_schema') IS NOT NULL", &[]).await?;
    let exists = exists.first().map(|row| row.try_get::<_, bool>(0)).transpose()?.unwrap_or(false);
    let found = if exists {
        let rows = transaction.query_typed("SELECT version FROM countersign_schema", &[]).await?;
        rows.first().map(|row| row.try_get::<_, i32>(0)).transpose()?.unwrap_or(0)
    } else {
        0
    };
    if found < version() {
        transaction.batch_execute(&steps(found)).await?;
    }
    transaction.commit().await
}

/// The version of the tables. `None` if there are none.
pub(crate) async fn found(client: &Client) -> Result<Option<i32>, Error> {
    match client.query_typed("SELECT version FROM countersign_schema", &[]).await {
        Ok(rows) => rows.first().map(|row| row.try_get(0)).transpose(),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many messages the inbox has.
pub(crate) async fn messages(client: &Client) -> Result<u64, Error> {
    let rows = client.query_typed("SELECT COALESCE(sum(messages), 0)::bigint FROM countersign_count", &[]).await?;
    let messages = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or(0);
    Ok(messages.max(0).cast_unsigned())
}

/// Tables of another version, or none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("the database has no tables of countersign: create them with `migrate`, or with the printed schema")]
    Missing,
    #[error("the tables of countersign have version {found}, and this program needs version {needed}: run `migrate`")]
    Older { found: i32, needed: i32 },
    #[error(
        "the tables of countersign have version {found}, and this program knows version {needed}: update the program"
    )]
    Newer { found: i32, needed: i32 },
}

pub(crate) fn compare(found: Option<i32>) -> Result<(), SchemaError> {
    let needed = version();
    match found {
        None => Err(SchemaError::Missing),
        Some(found) if found < needed => Err(SchemaError::Older { found, needed }),
        Some(found) if found > needed => Err(SchemaError::Newer { found, needed }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_another_version_are_named() {
        assert!(compare(Some(version())).is_ok());
        let message = |found| compare(found).map_err(|error| error.to_string()).unwrap_err();
        assert!(message(None).contains("no tables"));
        assert!(message(Some(0)).contains("run `migrate`"));
        assert!(message(Some(version() + 1)).contains("update the program"));
    }
}
