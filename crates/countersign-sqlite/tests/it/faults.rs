//! A file that cannot grow, and writes that fail.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock, ManualClock, SystemClock};
use countersign::replay::{Claim, ReplayStore, Settled, StoreErrorKind};
use countersign_inbox::{Enqueued, Inbox, InboxError};
use countersign_sqlite::{OpenError, Options, SqliteStore};
use countersign_test::disk::Disk;

use crate::common::{LEASE, Place, RETAIN, child, file_of_child, key, message};

/// A limit that claims reach soon. SQLite reports it as it reports a full disk.
fn small() -> Options {
    Options::default().max_size(256 << 10)
}

#[tokio::test]
async fn a_full_file_rejects_claims_and_confirms_them() {
    let (place, clock) = (Place::new(), ManualClock::new(UnixTime::from_secs(1_700_000_000)));
    let store = place.open(small());
    let claims = store.claims(RETAIN, usize::MAX);
    let padding = "x".repeat(200);
    let (mut tokens, mut n) = (Vec::new(), 0);
    let error = loop {
        n += 1;
        assert!(n < 10_000, "the file never becomes full");
        match claims.claim(key(&format!("{padding}{n}")), LEASE, clock.read()).await {
            Ok(Claim::Fresh(token)) => tokens.push(token),
            other => break other.expect_err("a claim that is not fresh"),
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert!(store.stats().full && !store.stats().failing, "{:?}", store.stats());
    assert_eq!(store.lease("backend", 1, LEASE, clock.read()).await.unwrap().len(), 0);
    assert!(store.stats().full, "a transaction without a change does not need room");
    let rejected = store.enqueue(message("msg", b"body"), clock.read()).await;
    assert!(matches!(rejected, Err(InboxError::Full)), "{rejected:?}");
    let last = tokens.pop().expect("a claim");
    for token in tokens {
        assert_eq!(claims.confirm(token, clock.read()).await, Ok(Settled::Recorded));
    }
    assert!(store.stats().full, "confirmations add nothing");
    let key = last.key().clone();
    claims.release(last);
    clock.advance(Duration::from_secs(1));
    assert!(matches!(claims.claim(key, LEASE, clock.read()).await, Ok(Claim::Fresh(_))));
    // Once the ids have expired, there is room again.
    clock.advance(RETAIN + LEASE);
    drop(claims.claim(crate::common::key("other"), LEASE, clock.read()).await);
    assert!(matches!(claims.claim(crate::common::key("new"), LEASE, clock.read()).await, Ok(Claim::Fresh(_))));
    assert_eq!(store.enqueue(message("msg", b"body"), clock.read()).await.unwrap(), Enqueued::Stored);
    assert!(!store.stats().full, "{:?}", store.stats());
}

#[tokio::test]
async fn a_large_file_rejects_messages_and_goes_on_with_the_others() {
    let (place, clock) = (Place::new(), ManualClock::new(UnixTime::from_secs(1_700_000_000)));
    let store = place.open(small());
    let mut stored = 0;
    loop {
        match store.enqueue(message(&format!("msg_{stored}"), &[b'x'; 4000]), clock.read()).await {
            Ok(Enqueued::Stored) => stored += 1,
            Err(InboxError::Full) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(stored > 10, "{stored}");
    assert_eq!(store.enqueue(message("msg_0", b""), clock.read()).await.unwrap(), Enqueued::Duplicate);
    let claims = store.claims(RETAIN, usize::MAX);
    assert!(matches!(claims.claim(key("claimed"), LEASE, clock.read()).await, Ok(Claim::Fresh(_))));
    let leased = store.lease("backend", 1000, LEASE, clock.read()).await.unwrap();
    assert_eq!(leased.len(), stored);
    for one in leased {
        assert_eq!(store.acknowledge(one.receipt, clock.read()).await.unwrap(), Settled::Recorded);
    }
    let keep = countersign_inbox::Keep { done: Duration::ZERO, dead: Duration::ZERO };
    assert_eq!(store.expire(keep, 1000, clock.read()).await.unwrap(), stored);
    assert_eq!(store.enqueue(message("new", b""), clock.read()).await.unwrap(), Enqueued::Stored);
}

/// Some disks become read-only after an error.
#[test]
fn a_file_that_cannot_be_written_is_not_opened() {
    let (place, disk, locked) = (Place::new(), Disk::compile(), Place::new());
    drop(place.open(Options::default()));
    std::fs::write(locked.file(), "").expect("a file");
    let folder = place.file().parent().expect("a folder").to_owned();
    let mut command = child("faults::opens_a_file_that_is_read_only", &place.file());
    let output = command.envs(disk.locking(&folder, &locked.file())).output().expect("this program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("read-only"), "{text}");
}

#[test]
#[ignore = "another test runs it in a process of its own"]
fn opens_a_file_that_is_read_only() {
    let Some(file) = file_of_child() else { return };
    let error = SqliteStore::open(file, Options::default()).expect_err("an error");
    assert!(matches!(error, OpenError::ReadOnly), "{error:?}");
    println!("{error}");
}

/// The child may write files of 2 MiB. The kernel fails each write beyond that, until the limit is lifted.
#[test]
fn a_store_whose_writes_fail_continues_once_they_succeed() {
    let place = Place::new();
    let inner = child("faults::enqueues_while_writes_fail", &place.file());
    let mut command = Command::new("sh");
    command.arg("-c").arg("trap '' XFSZ; ulimit -S -f 2048; exec \"$0\" \"$@\"").arg(inner.get_program());
    command.args(inner.get_args()).stdout(Stdio::piped());
    for (name, value) in inner.get_envs() {
        command.env(name, value.expect("a variable that is set"));
    }
    let mut running = command.spawn().expect("a shell");
    let lines = BufReader::new(running.stdout.take().expect("its output")).lines();
    let mut seen = Vec::new();
    for line in lines {
        let line = line.expect("its output");
        if line == "failed" {
            let id = running.id().to_string();
            let lifted = Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited:"]).status();
            assert!(lifted.expect("prlimit").success());
        }
        seen.push(line);
    }
    assert!(running.wait().expect("the child").success(), "{seen:?}");
    let (failed, stored) = (seen.iter().any(|line| line == "failed"), seen.iter().any(|line| line == "recovered"));
    assert!(failed && stored, "{seen:?}");
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn enqueues_while_writes_fail() {
    let Some(file) = file_of_child() else { return };
    let store = SqliteStore::open(file, Options::default()).expect("a store");
    let body = vec![b'x'; 20_000];
    let (mut stored, mut failed) = (Vec::new(), false);
    for n in 0..100_000 {
        let id = format!("msg_{n}");
        match store.enqueue(message(&id, &body), SystemClock.read()).await {
            Ok(_) => stored.push(id),
            Err(error) if !failed => {
                assert!(matches!(error, InboxError::Unavailable(_)), "{error:?}");
                assert!(store.stats().failing);
                failed = true;
                println!("failed");
            }
            Err(_) => {}
        }
        if failed && !store.stats().failing {
            break;
        }
    }
    assert!(failed && !store.stats().failing, "{:?}", store.stats());
    for id in stored {
        let again = store.enqueue(message(&id, &body), SystemClock.read()).await.expect("a store that works");
        assert_eq!(again, Enqueued::Duplicate, "{id} is lost");
    }
    println!("recovered");
}
