//! Looking into files: sound, in use, damaged, foreign and newer ones.

use std::fs;
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock as _, SystemClock};
use countersign_inbox::{Inbox as _, State};
use countersign_sqlite::Options;
use countersign_sqlite::inspect::{InspectError, check, stats, vacuum};
use rusqlite::Connection;

use crate::common::{LEASE, Place, message};

/// A store with a delivery that waits, one that is done and a dead letter.
async fn filled() -> Place {
    let place = Place::new();
    let store = place.open(Options::default());
    for id in ["msg_1", "msg_2", "msg_3"] {
        store.enqueue(message(id, b"12345"), SystemClock.read()).await.expect("it is stored");
    }
    let mut leased = store.lease("backend", 2, LEASE, SystemClock.read()).await.expect("a lease").into_iter();
    let (done, dead) = (leased.next().expect("one"), leased.next().expect("two"));
    store.acknowledge(done.receipt, SystemClock.read()).await.expect("it is recorded");
    store.dead_letter(dead.receipt, "status 500", SystemClock.read()).await.expect("it is recorded");
    drop(store);
    place
}

#[tokio::test]
async fn a_sound_file_is_counted_also_while_it_is_used() {
    let place = filled().await;
    let store = place.open(Options::default());
    assert_eq!(check(place.file()).expect("a report").problems, Vec::<String>::new());
    let found = stats(place.file(), SystemClock.now()).expect("a report");
    assert_eq!((found.messages, found.body_bytes, found.ids.len()), (3, 15, 1));
    assert_eq!(
        (&*found.ids[0].source, found.ids[0].done, found.ids[0].in_flight, found.ids[0].expired),
        ("source", 3, 0, 0)
    );
    let counts: Vec<_> = found.deliveries.iter().map(|one| (&*one.destination, one.state, one.count)).collect();
    assert_eq!(counts, [("backend", State::Waiting, 1), ("backend", State::Done, 1), ("backend", State::Dead, 1)]);
    assert_eq!(found.oldest_message, Some(UnixTime::from_secs(1_700_000_000)));
    let later = SystemClock.now().saturating_add(Duration::from_secs(172_800));
    assert_eq!(stats(place.file(), later).expect("a report").ids[0].expired, 3);
    store.enqueue(message("msg_4", b""), SystemClock.read()).await.expect("the file is still used");
}

#[tokio::test]
async fn a_file_in_use_is_not_vacuumed_and_goes_on() {
    let place = filled().await;
    let store = place.open(Options::default());
    assert!(matches!(vacuum(place.file()), Err(InspectError::InUse)));
    store.enqueue(message("msg_4", b""), SystemClock.read()).await.expect("the file is still used");
}

#[tokio::test]
async fn a_vacuumed_file_is_smaller_and_has_what_it_had() {
    let place = Place::new();
    let store = place.open(Options::default());
    let body = vec![b'x'; 20_000];
    for number in 0..100 {
        store.enqueue(message(&format!("msg_{number}"), &body), SystemClock.read()).await.expect("it is stored");
    }
    let deliveries = store.list(countersign_inbox::Filter::default()).await.expect("a list");
    for delivery in deliveries.iter().skip(1) {
        assert!(store.discard(delivery.id, SystemClock.read()).await.expect("it is discarded"));
    }
    drop(store);
    let done = retried(|| vacuum(place.file()));
    assert!(done.after < done.before / 4, "{done:?}");
    assert_eq!(check(place.file()).expect("a report").problems, Vec::<String>::new());
    let found = stats(place.file(), SystemClock.now()).expect("a report");
    assert_eq!((found.messages, found.free, found.ids[0].done), (1, 0, 100));
    let store = place.open(Options::default());
    let left = store.list(countersign_inbox::Filter::default()).await.expect("a list");
    assert_eq!((left.len(), left[0].id), (1, deliveries[0].id));
}

/// The threads of a dropped store close the file soon, but not at once.
fn retried<T>(run: impl Fn() -> Result<T, InspectError>) -> T {
    let mut tries = 0;
    loop {
        match run() {
            Err(InspectError::InUse) if tries < 200 => std::thread::sleep(Duration::from_millis(20)),
            result => break result.expect("it is done"),
        }
        tries += 1;
    }
}

#[tokio::test]
async fn rows_that_do_not_fit_together_are_named() {
    for (change, expected) in [
        ("DELETE FROM body WHERE seq = 1", "messages without their body: 1"),
        ("DELETE FROM message WHERE seq = 1", "deliveries without their message: 1"),
        ("UPDATE message SET remain = 2 WHERE seq = 2", "messages that count other deliveries than they have: 1"),
        ("UPDATE delivery SET state = 7 WHERE seq = 1", "deliveries in an unknown state: 1"),
        ("UPDATE counts SET messages = 9", "messages that are not counted, or counted but not there: 6"),
        ("UPDATE counts SET token = 0", "leases and claims with a number that was not given yet: "),
        ("UPDATE counts SET delivery = 0", "deliveries and message ids with a number that was not given yet: "),
        ("UPDATE backlog SET waiting = 9", "destinations whose backlog does not match their deliveries: 1"),
        (
            "INSERT INTO seen(key, state, token, until) SELECT key, 1, 1, 1 FROM seen LIMIT 1",
            "ids that are stored twice: 1",
        ),
    ] {
        let place = filled().await;
        Connection::open(place.file()).and_then(|db| db.execute_batch(change)).expect("a changed file");
        let problems = check(place.file()).expect("a report").problems;
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{change}: {problems:?}");
    }
}

#[tokio::test]
async fn damaged_foreign_and_newer_files_are_told_apart() {
    let place = filled().await;
    let change = |sql: &str| {
        Connection::open(place.file()).and_then(|db| db.execute_batch(sql)).expect("a changed file");
    };
    let all = || [check(place.file()).err(), stats(place.file(), SystemClock.now()).err(), vacuum(place.file()).err()];
    let newer = |error: &Option<InspectError>| matches!(error, Some(InspectError::Newer { found: 99, .. }));
    let foreign = |error: &Option<InspectError>| matches!(error, Some(InspectError::Foreign));
    let version: u32 = Connection::open(place.file())
        .and_then(|db| db.pragma_query_value(None, "user_version", |row| row.get(0)))
        .expect("a version");
    change("PRAGMA user_version = 99");
    retried(|| {
        vacuum(place.file()).map(drop).or_else(|error| match error {
            InspectError::InUse => Err(error),
            _ => Ok(()),
        })
    });
    assert!(all().iter().all(newer), "{:?}", all());
    change(&format!("PRAGMA user_version = {version}; PRAGMA application_id = 1"));
    assert!(all().iter().all(foreign), "{:?}", all());
    fs::write(place.file(), "no database, but a text that is long enough").expect("a file");
    assert!(all().iter().all(|error| matches!(error, Some(InspectError::NoDatabase))), "{:?}", all());
    fs::remove_file(place.file()).expect("no file");
    assert!(all().iter().all(|error| matches!(error, Some(InspectError::File(_)))), "{:?}", all());
}

#[tokio::test]
async fn broken_pages_are_found() {
    let place = filled().await;
    Connection::open(place.file())
        .and_then(|db| db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"))
        .expect("one file");
    let mut bytes = fs::read(place.file()).expect("a file");
    // The first page has the schema, and all others are broken.
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0x5a);
    fs::write(place.file(), bytes).expect("a file");
    match check(place.file()) {
        Ok(report) => assert_ne!(report.problems, Vec::<String>::new()),
        Err(error) => assert!(matches!(error, InspectError::Damaged(_)), "{error}"),
    }
}
