//! Processes that are killed, and processes that share a file.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use countersign::clock::{Clock, SystemClock};
use countersign::replay::{Claim, ReplayStore};
use countersign_inbox::{Enqueued, Inbox};
use countersign_sqlite::{Options, SqliteStore};
use tokio::task::JoinSet;

use crate::common::{LEASE, Place, RETAIN, child, file_of_child, key, message};

/// How many ids two processes compete for.
const IDS: usize = 2000;
const CALLERS: usize = 64;

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_that_it_has_acknowledged() {
    let place = Place::new();
    let mut acknowledged = BTreeSet::new();
    for round in 0..5 {
        let mut running =
            spawn(child("processes::enqueues_until_it_is_killed", &place.file()).env("ROUND", round.to_string()));
        let mut lines = BufReader::new(running.stdout.take().expect("its output")).lines();
        let ids = lines.by_ref().map(|line| line.expect("its output")).filter(|line| line.starts_with("id "));
        acknowledged.extend(ids.take(200 + 50 * round));
        running.kill().expect("a child");
        running.wait().expect("a child");
        // These were acknowledged before the kill, too.
        acknowledged.extend(lines.map_while(Result::ok).filter(|line| line.starts_with("id ") && line.ends_with('.')));
    }
    let store = place.open(Options::default());
    assert!(acknowledged.len() >= 1000, "{}", acknowledged.len());
    for line in &acknowledged {
        let id = line.trim_start_matches("id ").trim_end_matches('.');
        let again = store.enqueue(message(id, b""), SystemClock.read()).await.unwrap();
        assert_eq!(again, Enqueued::Duplicate, "{id} is lost");
    }
    let mut leased = BTreeSet::new();
    loop {
        let page = store.lease("backend", 500, LEASE, SystemClock.read()).await.unwrap();
        if page.is_empty() {
            break;
        }
        leased.extend(page.iter().map(|one| format!("id {}.", one.message.key.message_id().as_str())));
    }
    assert!(acknowledged.is_subset(&leased), "messages are lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "another test runs it in a process of its own"]
async fn enqueues_until_it_is_killed() {
    let Some(file) = file_of_child() else { return };
    let round = std::env::var("ROUND").expect("a round");
    let store = SqliteStore::open(file, Options::default()).expect("a store");
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, round) = (store.clone(), round.clone());
        callers.spawn(async move {
            for n in 0.. {
                let id = format!("{round}-{caller}-{n}");
                let found = store.enqueue(message(&id, b"body"), SystemClock.read()).await.expect("a store that works");
                assert_eq!(found, Enqueued::Stored);
                let line = format!("id {id}.\n");
                if std::io::stdout().write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
    callers.join_all().await;
}

#[test]
fn of_two_processes_that_share_a_file_one_gets_each_id() {
    for test in ["processes::claims_all_ids", "processes::enqueues_all_ids"] {
        // Both also create the file, at once.
        let place = Place::new();
        let mut both = [0, 1].map(|_| spawn(child(test, &place.file()).stdin(Stdio::piped())));
        for one in &mut both {
            drop(one.stdin.take());
        }
        let counts = both.map(|mut one| {
            let mut output = String::new();
            one.stdout.take().expect("its output").read_to_string(&mut output).expect("its output");
            assert!(one.wait().expect("a child").success(), "{output}");
            let count = output.lines().find_map(|line| line.strip_prefix("fresh "));
            count.unwrap_or_else(|| panic!("no count: {output}")).parse::<usize>().expect("a number")
        });
        assert_eq!(counts.iter().sum::<usize>(), IDS, "{test}: {counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "another test runs it in a process of its own"]
async fn claims_all_ids() {
    compete(|store, id| async move {
        let claims = store.claims(RETAIN, usize::MAX);
        match claims.claim(key(&id), LEASE, SystemClock.read()).await.expect("a store that works") {
            Claim::Fresh(token) => {
                claims.confirm(token, SystemClock.read()).await.map(|_| true).expect("a confirmation")
            }
            Claim::InFlight | Claim::Done => false,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "another test runs it in a process of its own"]
async fn enqueues_all_ids() {
    compete(|store, id| async move {
        let found = store.enqueue(message(&id, b"body"), SystemClock.read()).await.expect("a store that works");
        found == Enqueued::Stored
    })
    .await;
}

/// Tries each id with several callers, and prints for how many it was the first.
async fn compete<F: Future<Output = bool> + Send + 'static>(
    first: impl Fn(SqliteStore, String) -> F + Copy + Send + 'static,
) {
    let Some(file) = file_of_child() else { return };
    // Both processes start when the other one is there.
    let _ = std::io::stdin().read(&mut [0]);
    let store = SqliteStore::open(file, Options::default()).expect("a store");
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            let mut count = 0;
            for n in (caller..IDS).step_by(CALLERS) {
                count += usize::from(first(store.clone(), format!("msg_{n}")).await);
            }
            count
        });
    }
    println!("fresh {}", callers.join_all().await.into_iter().sum::<usize>());
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().expect("this program starts")
}
