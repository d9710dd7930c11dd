//! The schema, and how older files are migrated.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::OpenError;

/// Marks a file as a store of countersign: "cnts".
const APPLICATION_ID: u32 = 0x636e_7473;

/// The steps from each version to the next. A step is never changed once it is released.
///
/// - Rows are appended, so that a batch changes the last pages only. Random ids in an index would change a page each.
/// - Numbers of ids and deliveries are never used again after their row was deleted. They come from `counts`, because
///   `AUTOINCREMENT` writes another row for each statement.
/// - Bodies are apart, so that the rows that change are small and a list reads no body.
/// - A partial index is used only if a query repeats its condition literally.
/// - The program counts the backlog, once for each batch. Triggers cost as much as the rows that they count.
/// - A step that changes what writers have to do renames `counts`, so that an older process can no longer write: it reads
///   that table in each transaction.
const STEPS: [&str; 3] = [
    "
    CREATE TABLE seen(
        seq   INTEGER PRIMARY KEY AUTOINCREMENT,
        key   BLOB    NOT NULL,  -- source, 0, message id
        state INTEGER NOT NULL,  -- 0 in flight, 1 done
        token INTEGER NOT NULL,  -- the number of the claim
        until INTEGER NOT NULL); -- ms: end of the lease, or of the retention
    CREATE TABLE message(
        seq      INTEGER PRIMARY KEY AUTOINCREMENT,
        source   TEXT    NOT NULL,
        id       TEXT    NOT NULL,
        type     TEXT,
        path     TEXT    NOT NULL,
        received INTEGER NOT NULL,
        headers  BLOB    NOT NULL,  -- name: value CR LF
        remain   INTEGER NOT NULL); -- how many of its deliveries exist
    CREATE TABLE body(
        seq  INTEGER PRIMARY KEY,
        body BLOB NOT NULL);
    CREATE TABLE delivery(
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        message     INTEGER NOT NULL,
        destination TEXT    NOT NULL,
        state       INTEGER NOT NULL,  -- 0 waiting, 1 leased, 2 done, 3 dead
        attempts    INTEGER NOT NULL,
        since       INTEGER NOT NULL,  -- ms: start of the schedule
        due         INTEGER NOT NULL,  -- ms: next attempt, end of the lease, or end
        token       INTEGER NOT NULL,  -- the number of the newest lease
        error       TEXT);
    CREATE INDEX delivery_due ON delivery(destination, due) WHERE state < 2;
    CREATE INDEX delivery_ended ON delivery(state, due) WHERE state >= 2;
    -- What all processes count together.
    CREATE TABLE counters(
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        token    INTEGER NOT NULL,  -- the last number of a claim or a lease
        messages INTEGER NOT NULL);
    INSERT INTO counters VALUES (1, 0, 0);
",
    "
    CREATE TABLE paused(
        destination TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE backlog(
        destination TEXT    PRIMARY KEY,
        waiting     INTEGER NOT NULL,
        leased      INTEGER NOT NULL,
        dead        INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO backlog
        SELECT destination, sum(state = 0), sum(state = 1), sum(state = 3) FROM delivery GROUP BY destination;
    CREATE INDEX delivery_since ON delivery(destination, since) WHERE state < 2;
    CREATE TRIGGER delivery_added AFTER INSERT ON delivery BEGIN
        INSERT INTO backlog VALUES (NEW.destination, NEW.state = 0, NEW.state = 1, NEW.state = 3)
        ON CONFLICT(destination) DO UPDATE SET
            waiting = waiting + excluded.waiting, leased = leased + excluded.leased, dead = dead + excluded.dead;
    END;
    CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery WHEN OLD.state <> NEW.state BEGIN
        UPDATE backlog SET
            waiting = waiting + (NEW.state = 0) - (OLD.state = 0),
            leased = leased + (NEW.state = 1) - (OLD.state = 1),
            dead = dead + (NEW.state = 3) - (OLD.state = 3)
        WHERE destination = NEW.destination;
    END;
    CREATE TRIGGER delivery_removed AFTER DELETE ON delivery WHEN OLD.state <> 2 BEGIN
        UPDATE backlog SET
            waiting = waiting - (OLD.state = 0), leased = leased - (OLD.state = 1), dead = dead - (OLD.state = 3)
        WHERE destination = OLD.destination;
    END;
",
    "
    CREATE TABLE counts(
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        token    INTEGER NOT NULL,  -- the last number of a claim or a lease
        id       INTEGER NOT NULL,  -- the last number of a row of `seen`
        delivery INTEGER NOT NULL,  -- the last number of a row of `delivery`
        messages INTEGER NOT NULL);
    INSERT INTO counts SELECT 1, token,
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'seen'), 0),
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'delivery'), 0),
        messages FROM counters;
    DROP TABLE counters;
    CREATE TABLE new_seen(
        seq   INTEGER PRIMARY KEY,
        key   BLOB    NOT NULL,
        state INTEGER NOT NULL,
        token INTEGER NOT NULL,
        until INTEGER NOT NULL);
    INSERT INTO new_seen SELECT seq, key, state, token, until FROM seen;
    DROP TABLE seen;
    ALTER TABLE new_seen RENAME TO seen;
    CREATE TABLE new_message(
        seq      INTEGER PRIMARY KEY,
        source   TEXT    NOT NULL,
        id       TEXT    NOT NULL,
        type     TEXT,
        path     TEXT    NOT NULL,
        received INTEGER NOT NULL,
        headers  BLOB    NOT NULL,
        remain   INTEGER NOT NULL);
    INSERT INTO new_message SELECT seq, source, id, type, path, received, headers, remain FROM message;
    DROP TABLE message;
    ALTER TABLE new_message RENAME TO message;
    CREATE TABLE new_delivery(
        seq         INTEGER PRIMARY KEY,
        message     INTEGER NOT NULL,
        destination TEXT    NOT NULL,
        state       INTEGER NOT NULL,
        attempts    INTEGER NOT NULL,
        since       INTEGER NOT NULL,
        due         INTEGER NOT NULL,
        token       INTEGER NOT NULL,
        error       TEXT);
    INSERT INTO new_delivery
        SELECT seq, message, destination, state, attempts, since, due, token, error FROM delivery;
    DROP TABLE delivery;
    ALTER TABLE new_delivery RENAME TO delivery;
    CREATE INDEX delivery_due ON delivery(destination, due) WHERE state < 2;
    CREATE INDEX delivery_ended ON delivery(state, due) WHERE state >= 2;
    CREATE INDEX delivery_since ON delivery(destination, since) WHERE state < 2;
",
];

/// Creates or migrates the schema.
pub(crate) fn prepare(db: &mut Connection) -> Result<(), OpenError> {
    if version(db)? == supported() {
        return check_owner(db);
    }
    // Another process may do the same, so look again once this one may write.
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let tables: u32 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if found == 0 && tables > 0 {
        return Err(OpenError::Foreign);
    }
    if found == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    check_owner(&transaction)?;
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(steps) = STEPS.get(done..) else { return Err(OpenError::Newer { found, supported: supported() }) };
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", supported())?;
    Ok(transaction.commit()?)
}

/// The newest version.
pub(crate) fn supported() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// The version of this file.
pub(crate) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn check_owner(db: &Connection) -> Result<(), OpenError> {
    if is_ours(db)? { Ok(()) } else { Err(OpenError::Foreign) }
}

/// Whether the file is a store of countersign.
pub(crate) fn is_ours(db: &Connection) -> rusqlite::Result<bool> {
    let found: u32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(found == APPLICATION_ID)
}
