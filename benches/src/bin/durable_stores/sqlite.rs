//! SQLite, with the store and alone.

use std::path::Path;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign_sqlite::{Options, SqliteStore};
use rusqlite::{Connection, params};

use crate::load::{self, BODY, Measured, RETAIN};

fn open(folder: &Path) -> SqliteStore {
    let options = Options::default().max_messages(u64::MAX >> 1).max_size(1 << 40);
    SqliteStore::open(folder.join("store.db"), options).expect("a store")
}

/// Creates a file with so many random ids.
pub(crate) fn fill(folder: &Path, ids: u32) {
    drop(open(folder));
    let db = Connection::open(folder.join("store.db")).expect("a file");
    db.busy_timeout(Duration::from_secs(5)).expect("a setting");
    let insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO seen(key, state, token, until)
        SELECT CAST('bench' || char(0) || 'msg_' || hex(randomblob(14)) AS BLOB), 1, 0, 9000000000000 FROM n";
    db.execute(insert, [ids]).expect("ids");
    db.execute_batch("UPDATE counts SET id = (SELECT ifnull(max(seq), 0) FROM seen)").expect("their count");
}

/// The time until a file is open.
pub(crate) fn time_of_start(folder: &Path) -> Duration {
    let start = SystemClock.instant();
    let store = open(folder);
    let time = load::since(start);
    assert!(store.stats().ids > 0, "{:?}", store.stats());
    time
}

pub(crate) fn store(folder: &Path, work: &str, callers: usize, time: Duration, ids: u32) -> Measured {
    fill(folder, ids);
    let store = open(folder);
    let claims = store.claims(RETAIN, usize::MAX >> 1);
    load::runtime().block_on(load::of(store, claims, work, callers, time))
}

/// The rows of the store, without its index of ids.
pub(crate) fn bare(folder: &Path, work: &str, callers: usize, time: Duration, ids: u32) -> Measured {
    fill(folder, ids);
    let db = Connection::open(folder.join("store.db")).expect("a file");
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000").expect("settings");
    let headers = load::headers();
    let insert = "INSERT INTO seen(key, state, token, until) VALUES (?1, 1, ?2, 9000000000000)";
    let mut seen = db.prepare(insert).expect("a statement");
    let mut confirm = db.prepare("UPDATE seen SET state = 1 WHERE seq = ?1").expect("a statement");
    let insert = "INSERT INTO message(source, id, type, path, received, headers, remain) VALUES ('bench', ?1, 'batch.succeeded', '/hook', 0, ?2, 1)";
    let mut message = db.prepare(insert).expect("a statement");
    let mut body = db.prepare("INSERT INTO body(seq, body) VALUES (?1, ?2)").expect("a statement");
    let insert = "INSERT INTO delivery(message, destination, state, attempts, since, due, token) VALUES (?1, 'backend', 0, 0, 0, 0, 0)";
    let mut delivery = db.prepare(insert).expect("a statement");
    load::of_batches(time, |batch| {
        db.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        let mut rows = Vec::with_capacity(callers);
        for caller in 0..callers {
            let id = format!("bench\0msg_{batch:020}_{caller:08}");
            rows.push(seen.insert(params![id.as_bytes(), caller]).expect("a row"));
            if work == "enqueue" {
                let seq = message.insert(params![id, headers.as_bytes()]).expect("a row");
                body.execute(params![seq, BODY]).expect("a row");
                delivery.execute([seq]).expect("a row");
            }
        }
        db.execute_batch("COMMIT").expect("a transaction");
        if work != "enqueue" {
            db.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
            for row in rows {
                confirm.execute([row]).expect("a row");
            }
            db.execute_batch("COMMIT").expect("a transaction");
        }
        callers
    })
}
