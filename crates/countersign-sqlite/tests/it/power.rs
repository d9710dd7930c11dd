//! Power cuts: what was acknowledged is on the disk, and the test notices a file that does not wait for it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign_inbox::{Enqueued, Inbox};
use countersign_sqlite::{Options, SqliteStore};
use countersign_test::disk::Disk;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::common::{Place, child, file_of_child, message};

/// How often the power is cut. The variable is for a longer run.
fn cuts() -> usize {
    std::env::var("COUNTERSIGN_CUTS").map_or(5, |cuts| cuts.parse().expect("a number"))
}

/// Runs a child on the files in `folder` until it has printed so many ids, and cuts the power. Returns all ids that it
/// printed. What is durable replaces the files.
fn run_until_the_cut(disk: &Disk, folder: &mut TempDir, command: &mut Command, ids: usize) -> BTreeSet<String> {
    let durable = tempfile::tempdir().expect("a folder");
    copy(folder.path(), durable.path());
    disk.losing(command, folder.path(), durable.path());
    let mut running = command.spawn().expect("this program starts");
    let mut lines = BufReader::new(running.stdout.take().expect("its output")).lines();
    // A line that the kill has cut off has no full stop.
    let id = |line: String| line.strip_prefix("id ").and_then(|line| line.strip_suffix('.')).map(str::to_owned);
    let mut printed: BTreeSet<_> =
        lines.by_ref().map(|line| line.expect("its output")).filter_map(id).take(ids).collect();
    running.kill().expect("a child");
    running.wait().expect("a child");
    printed.extend(lines.map_while(Result::ok).filter_map(id));
    *folder = durable;
    printed
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a file");
        }
    }
}

/// The ids in a table of a file, which must not be damaged.
fn found(file: &Path, table: &str) -> BTreeSet<String> {
    let db = Connection::open(file).expect("a file");
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(check, "ok");
    let mut select = db.prepare(&format!("SELECT id FROM {table}")).expect("a table");
    let ids = select.query_map([], |row| row.get(0)).expect("ids");
    ids.collect::<rusqlite::Result<_>>().expect("ids")
}

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() {
    let (disk, mut folder) = (Disk::compile(), tempfile::tempdir().expect("a folder"));
    let mut acknowledged = BTreeSet::new();
    for cut in 0..cuts() {
        let mut command = child("processes::enqueues_until_it_is_killed", &folder.path().join("store.db"));
        command.env("ROUND", cut.to_string());
        // Each cut is at another point of the batches and checkpoints.
        let ids = 300 + cut * 389 % 2000;
        acknowledged.extend(run_until_the_cut(&disk, &mut folder, &mut command, ids));
        let kept = found(&folder.path().join("store.db"), "message");
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "cut {cut} has lost {} of {}: {lost:?}", lost.len(), acknowledged.len());
    }
    println!("{} cuts: none of {} acknowledged messages is lost", cuts(), acknowledged.len());
}

/// The control: SQLite without a sync for each transaction loses rows, and the test sees it.
#[test]
fn without_a_sync_for_each_transaction_power_cuts_lose_rows() {
    let disk = Disk::compile();
    for synchronous in ["OFF", "NORMAL"] {
        let mut folder = tempfile::tempdir().expect("a folder");
        let mut command = child("power::inserts_until_the_cut", &folder.path().join("store.db"));
        command.env("SYNCHRONOUS", synchronous);
        let printed = run_until_the_cut(&disk, &mut folder, &mut command, 500);
        let file = folder.path().join("store.db");
        let kept = if file.exists() && has_table(&file) { found(&file, "control") } else { BTreeSet::new() };
        assert!(!printed.is_subset(&kept), "synchronous = {synchronous} has lost nothing");
    }
}

fn has_table(file: &Path) -> bool {
    let db = Connection::open(file).expect("a file");
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0)).is_ok_and(|tables| tables > 0)
}

#[test]
#[ignore = "another test runs it in a process of its own"]
fn inserts_until_the_cut() {
    let Some(file) = file_of_child() else { return };
    let db = Connection::open(file).expect("a file");
    db.pragma_update(None, "journal_mode", "wal").expect("a write-ahead log");
    let synchronous = std::env::var("SYNCHRONOUS").expect("a setting");
    db.pragma_update(None, "synchronous", synchronous).expect("a setting");
    db.execute_batch("CREATE TABLE control(id TEXT)").expect("a table");
    for n in 0.. {
        db.execute("INSERT INTO control VALUES (?1)", [n.to_string()]).expect("a row");
        if std::io::stdout().write_all(format!("id {n}.\n").as_bytes()).is_err() {
            return;
        }
    }
}

/// A disk that takes 4 ms, and one that takes a second, for each sync: callers share the syncs.
#[test]
fn callers_at_the_same_time_share_the_syncs_of_a_slow_disk() {
    let disk = Disk::compile();
    for (sync, limit) in
        [(Duration::from_millis(4), Duration::from_secs(10)), (Duration::from_secs(1), Duration::from_secs(20))]
    {
        let place = Place::new();
        let file = place.file();
        let mut command = child("power::enqueues_a_batch", &file);
        disk.slow(&mut command, file.parent().expect("a folder"), sync);
        let start = SystemClock.instant();
        let output = command.output().expect("this program starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("stored 512"), "{text}");
        assert!(start.elapsed() > sync, "the disk is not slow");
        assert!(start.elapsed() < limit, "512 messages took {:?} with {sync:?} a sync", start.elapsed());
        println!("512 messages from 512 callers, {sync:?} a sync: {:?} with the start", start.elapsed());
    }
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn enqueues_a_batch() {
    let Some(file) = file_of_child() else { return };
    let store = SqliteStore::open(file, Options::default()).expect("a store");
    let calls: Vec<_> =
        (0..512).map(|n| store.enqueue(message(&format!("msg_{n}"), b"body"), SystemClock.read())).collect();
    let mut stored = 0;
    for call in calls {
        stored += usize::from(call.await.expect("a store that works") == Enqueued::Stored);
    }
    println!("stored {stored}");
}
