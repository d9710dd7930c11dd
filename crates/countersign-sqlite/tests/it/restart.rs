//! What a file contains after it is opened again, and which files are rejected.

use std::fs;
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock, ManualClock};
use countersign::replay::{Claim, ReplayStore};
use countersign_inbox::{Backlog, Enqueued, Inbox, InboxError};
use countersign_sqlite::inspect::check;
use countersign_sqlite::{OpenError, Options, SqliteStore};

use crate::common::{LEASE, Place, RETAIN, key, message};

fn clock() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(1_700_000_000))
}

#[tokio::test]
async fn ids_messages_and_numbers_survive_a_restart() {
    let (place, clock) = (Place::new(), clock());
    let store = place.open(Options::default());
    let claims = store.claims(RETAIN, 1000);
    let Ok(Claim::Fresh(done)) = claims.claim(key("done"), LEASE, clock.read()).await else { panic!("not fresh") };
    claims.confirm(done, clock.read()).await.unwrap();
    let Ok(Claim::Fresh(held)) = claims.claim(key("held"), LEASE, clock.read()).await else { panic!("not fresh") };
    assert_eq!(store.enqueue(message("stored", b"body"), clock.read()).await.unwrap(), Enqueued::Stored);
    drop((store, claims));

    let store = place.open(Options::default());
    let claims = store.claims(RETAIN, 1000);
    assert_eq!(claims.claim(key("done"), LEASE, clock.read()).await, Ok(Claim::Done));
    assert_eq!(claims.claim(key("held"), LEASE, clock.read()).await, Ok(Claim::InFlight));
    assert_eq!(store.enqueue(message("stored", b"body"), clock.read()).await.unwrap(), Enqueued::Duplicate);
    assert_eq!(store.enqueue(message("held", b"body"), clock.read()).await.unwrap(), Enqueued::InFlight);
    assert_eq!(claims.claim(key("stored"), LEASE, clock.read()).await, Ok(Claim::Done));
    clock.advance(LEASE + Duration::from_secs(1));
    let Ok(Claim::Fresh(again)) = claims.claim(key("held"), LEASE, clock.read()).await else { panic!("not fresh") };
    assert!(again.number() > held.number(), "a number was used again: {} after {}", again.number(), held.number());
    let leased = store.lease("backend", 10, LEASE, clock.read()).await.unwrap();
    assert_eq!(leased.iter().map(|one| &one.message.body[..]).collect::<Vec<_>>(), [b"body"]);
}

#[tokio::test]
async fn a_forgotten_id_is_fresh_again_and_a_held_one_is_not_forgotten() {
    let (place, clock) = (Place::new(), clock());
    let store = place.open(Options::default());
    let claims = store.claims(RETAIN, 1000);
    let claim = async || claims.claim(key("msg"), LEASE, clock.read()).await;
    assert_eq!(claims.forget(key("msg")).await, Ok(false));
    let Ok(Claim::Fresh(token)) = claim().await else { panic!("not fresh") };
    assert_eq!(claims.forget(key("msg")).await, Ok(false));
    claims.confirm(token, clock.read()).await.unwrap();
    assert_eq!((claim().await, claims.len()), (Ok(Claim::Done), 1));
    assert_eq!(claims.forget(key("msg")).await, Ok(true));
    assert!(matches!(claim().await, Ok(Claim::Fresh(_))));
}

#[tokio::test]
async fn expired_ids_leave_the_file() {
    let (place, clock) = (Place::new(), clock());
    let store = place.open(Options::default());
    for n in 0..100 {
        store.enqueue(message(&format!("msg_{n}"), b""), clock.read()).await.unwrap();
    }
    assert_eq!(store.stats().ids, 100);
    clock.advance(RETAIN + Duration::from_secs(1));
    store.enqueue(message("later", b""), clock.read()).await.unwrap();
    assert_eq!(store.stats().ids, 1);
    drop(store);
    assert_eq!(place.open(Options::default()).stats().ids, 1);
}

#[tokio::test]
async fn the_ids_of_all_sources_together_are_limited() {
    let (place, clock) = (Place::new(), clock());
    let store = place.open(Options::default().max_ids(2));
    for id in ["msg_1", "msg_2"] {
        assert_eq!(store.enqueue(message(id, b""), clock.read()).await.unwrap(), Enqueued::Stored);
    }
    let rejected = store.enqueue(message("msg_3", b""), clock.read()).await;
    assert!(matches!(rejected, Err(InboxError::Full)), "{rejected:?}");
    assert_eq!(store.enqueue(message("msg_1", b""), clock.read()).await.unwrap(), Enqueued::Duplicate);
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let place = Place::new();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("CREATE TABLE other(x); INSERT INTO other VALUES (1)").unwrap();
    let error = SqliteStore::open(place.file(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign), "{error}");
    assert_eq!(other.query_row("SELECT count(*) FROM other", [], |row| row.get(0)), Ok(1));
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    drop(place.open(Options::default()));
    let db = rusqlite::Connection::open(place.file()).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(place.file(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_file_of_version_1_is_migrated_with_its_backlog() {
    let (place, clock) = (Place::new(), clock());
    let old = rusqlite::Connection::open(place.file()).unwrap();
    old.execute_batch(include_str!("version_1.sql")).unwrap();
    drop(old);
    for _ in 0..2 {
        let store = place.open(Options::default());
        let expected = Backlog {
            destination: "backend".to_owned(),
            waiting: 1,
            leased: 1,
            dead: 1,
            oldest: Some(UnixTime::from_millis(1_700_000_000_250)),
        };
        assert_eq!(store.backlog().await.unwrap(), [expected]);
    }
    let store = place.open(Options::default());
    clock.advance(Duration::from_secs(1));
    let leased = store.lease("backend", 10, LEASE, clock.read()).await.unwrap();
    assert_eq!(leased.iter().map(|one| one.receipt.number()).collect::<Vec<_>>(), [5]);
    let backlog = store.backlog().await.unwrap();
    assert_eq!(backlog.iter().map(|one| [one.waiting, one.leased, one.dead]).collect::<Vec<_>>(), [[0, 2, 1]]);
    assert_eq!(check(place.file()).unwrap().problems, Vec::<String>::new());
    // A process of an older version reads this table in each transaction.
    let old = rusqlite::Connection::open(place.file()).unwrap();
    assert!(old.prepare("SELECT token, messages FROM counters WHERE one = 1").is_err());
}

#[tokio::test]
async fn a_pause_survives_a_restart_and_is_seen_by_another_process() {
    let place = Place::new();
    let (one, other) = (place.open(Options::default()), place.open(Options::default()));
    assert!(one.pause("backend", true).await.unwrap());
    assert_eq!(other.paused().await.unwrap(), ["backend"]);
    drop((one, other));
    let store = place.open(Options::default());
    assert_eq!(store.paused().await.unwrap(), ["backend"]);
    assert!(store.pause("backend", false).await.unwrap());
    assert_eq!(store.paused().await.unwrap(), Vec::<String>::new());
}

#[test]
fn a_file_that_is_no_database_or_cannot_be_created_is_an_error() {
    let place = Place::new();
    fs::write(place.file(), "not a database, but long enough to have a header".repeat(10)).unwrap();
    let error = SqliteStore::open(place.file(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Database(_)), "{error}");
    let error = SqliteStore::open(place.file().join("below"), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::File(_)), "{error}");
}

#[cfg(unix)]
#[test]
fn only_its_user_can_read_a_new_file() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    drop(place.open(Options::default()));
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
}
