//! The store as an inbox.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ReplayStore, Settled};
use countersign_inbox::conformance::{Subject, check};
use countersign_inbox::{Enqueued, Filter, Inbox, InboxError, Keep, Leased};
use countersign_postgres::{PostgresStore, schema};
use countersign_test::postgres_server::PostgresServer;
use countersign_test::wait::until;
use tokio::time::timeout;

use crate::support::{LEASE, PATIENCE, claim, fresh, key, message, now, server, store};

/// Each inbox has a namespace of its own in the database, and is therefore empty.
struct Inboxes {
    server: PostgresServer,
    count: AtomicUsize,
}

impl Inboxes {
    fn open(&self, max_messages: u64) -> PostgresStore {
        let name = format!("inbox_{}", self.count.fetch_add(1, Ordering::Relaxed));
        self.server.run(&format!("CREATE SCHEMA {name}; SET search_path = {name}; {}", schema()));
        let url = format!("{}?options=-csearch_path%3D{name}", self.server.url());
        PostgresStore::builder(url).max_messages(max_messages).timeout(PATIENCE).build().unwrap()
    }
}

impl Subject for Inboxes {
    type Inbox = PostgresStore;

    async fn inbox(&self) -> PostgresStore {
        self.open(1000)
    }

    async fn small_inbox(&self, capacity: usize) -> Option<PostgresStore> {
        Some(self.open(u64::try_from(capacity).unwrap()))
    }

    fn now(&self) -> ClockReading {
        now()
    }

    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

#[tokio::test]
async fn the_store_keeps_the_inbox_contract() {
    let (server, _folder) = server(&[]).await;
    let inboxes = Inboxes { server, count: AtomicUsize::new(0) };
    check(&inboxes).await.unwrap_or_else(|violations| panic!("{violations}"));
}

async fn lease_all(store: &PostgresStore) -> Vec<Leased> {
    let mut all = Vec::new();
    loop {
        let page = store.lease("backend", 100, LEASE, now()).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[tokio::test]
async fn claims_and_messages_share_their_ids() {
    let (server, _folder) = server(&[]).await;
    let store = store(&server);
    let token = fresh(&store, "msg_1").await;
    let again = async || store.enqueue(message("msg_1", b""), now()).await.unwrap();
    assert_eq!(again().await, Enqueued::InFlight);
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
    assert_eq!(again().await, Enqueued::Duplicate);
    assert_eq!(store.enqueue(message("msg_2", b""), now()).await.unwrap(), Enqueued::Stored);
    assert_eq!(claim(&store, "msg_2").await, Ok(Claim::Done));
    assert_eq!(store.forget(key("msg_2")).await, Ok(true));
    assert_eq!(store.enqueue(message("msg_2", b""), now()).await.unwrap(), Enqueued::Stored);
}

#[tokio::test]
async fn of_64_enqueues_through_two_stores_one_is_stored_and_delivered_once() {
    const MESSAGES: usize = 200;
    let (server, _folder) = server(&[]).await;
    let stores = [store(&server), store(&server)];
    for number in 0..MESSAGES {
        let id = format!("msg_{number}");
        let copies: Vec<_> = (0..64).map(|copy| stores[copy % 2].enqueue(message(&id, b"body"), now())).collect();
        let mut first = 0;
        for copy in copies {
            match copy.await.unwrap() {
                Enqueued::Stored => first += 1,
                other => assert_eq!(other, Enqueued::Duplicate),
            }
        }
        assert_eq!(first, 1, "{id}");
    }
    let (one, other) = tokio::join!(lease_all(&stores[0]), lease_all(&stores[1]));
    assert_eq!(one.len() + other.len(), MESSAGES, "each delivery is leased by one of the two");
    let endings: Vec<_> = one.into_iter().chain(other).map(|one| stores[0].acknowledge(one.receipt, now())).collect();
    for ending in endings {
        assert_eq!(ending.await.unwrap(), Settled::Recorded);
    }
    let keep = Keep { done: Duration::ZERO, dead: Duration::ZERO };
    let expire = async |store: &PostgresStore| {
        let mut removed = 0;
        loop {
            match store.expire(keep, 7, now()).await.unwrap() {
                0 => return removed,
                some => removed += some,
            }
        }
    };
    let (one, other) = tokio::join!(expire(&stores[0]), expire(&stores[1]));
    assert_eq!(one + other, MESSAGES);
    let left = "SELECT (SELECT count(*) FROM countersign_message), (SELECT sum(messages) FROM countersign_count)";
    assert_eq!(server.run(left), "0|0");
}

/// Two stores remove the last two deliveries of each message at the same time.
#[tokio::test]
async fn a_message_goes_with_the_last_of_its_deliveries() {
    let (server, _folder) = server(&[]).await;
    let stores = [store(&server), store(&server)];
    for number in 0..20 {
        let new = message(&format!("msg_{number}"), b"body").also_to("there");
        assert_eq!(stores[0].enqueue(new, now()).await.unwrap(), Enqueued::Stored);
    }
    let deliveries = stores[0].list(Filter::default()).await.unwrap();
    assert_eq!(deliveries.len(), 40);
    let discards: Vec<_> = deliveries.iter().enumerate().map(|(n, one)| stores[n % 2].discard(one.id, now())).collect();
    for discard in discards {
        assert!(discard.await.unwrap());
    }
    let left = "SELECT (SELECT count(*) FROM countersign_message), (SELECT sum(messages) FROM countersign_count)";
    assert_eq!(server.run(left), "0|0");
}

#[tokio::test]
async fn a_crash_of_the_server_loses_no_message_that_was_stored() {
    let (mut server, _folder) = server(&[]).await;
    let store = store(&server);
    for number in 0..50 {
        let new = message(&format!("msg_{number}"), &vec![b'x'; 10_000]);
        assert_eq!(store.enqueue(new, now()).await.unwrap(), Enqueued::Stored);
    }
    let leased = store.lease("backend", 10, LEASE, now()).await.unwrap();
    server.kill();
    let _server = server.restart().await;
    assert_eq!(store.enqueue(message("msg_49", b""), now()).await.unwrap(), Enqueued::Duplicate);
    for one in leased {
        assert_eq!(store.acknowledge(one.receipt, now()).await.unwrap(), Settled::Recorded);
    }
    let rest = lease_all(&store).await;
    assert_eq!(rest.len(), 40);
    assert!(rest.iter().all(|one| one.message.body.len() == 10_000));
}

/// A statement that was committed before the connection was cut is repeated, and has no other effect than the first.
#[tokio::test]
async fn messages_survive_connections_that_are_cut() {
    let (server, _folder) = server(&[]).await;
    let store = store(&server);
    let cut =
        || server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign'");
    for round in 0..10 {
        let new = (0..64).map(|n| store.enqueue(message(&format!("msg_{round}_{n}"), b"body"), now()));
        let calls: Vec<_> = new.collect();
        cut();
        for call in calls {
            assert_eq!(call.await.unwrap(), Enqueued::Stored);
        }
    }
    let mut all = Vec::new();
    until("all are leased", async || {
        // A lease is not repeated.
        if let Ok(page) = store.lease("backend", 1000, LEASE, now()).await {
            all.extend(page);
        }
        all.len() == 640
    })
    .await;
    let endings: Vec<_> = all.into_iter().map(|one| store.acknowledge(one.receipt, now())).collect();
    cut();
    for ending in endings {
        assert_eq!(ending.await.unwrap(), Settled::Recorded);
    }
    let ended = "SELECT count(*) FROM countersign_delivery WHERE state = 2";
    assert_eq!(server.run(ended), "640");
}

/// So are messages whose deliveries are leased at once: a repetition finds the leases of the first try.
#[tokio::test]
async fn first_leases_survive_connections_that_are_cut() {
    let (server, _folder) = server(&[]).await;
    let store = store(&server);
    let mut all = Vec::new();
    for round in 0..10 {
        let new = (0..64).map(|n| {
            let new = message(&format!("msg_{round}_{n}"), b"body").also_to("there");
            store.enqueue_leased(new.leased(|destination| (destination == "backend").then_some(LEASE)), now())
        });
        let calls: Vec<_> = new.collect();
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign'");
        for call in calls {
            let (enqueued, mut leased) = call.await.unwrap();
            assert_eq!((enqueued, leased.len()), (Enqueued::Stored, 1), "round {round}");
            all.extend(leased.pop());
        }
    }
    let endings: Vec<_> = all.into_iter().map(|one| store.acknowledge(one.receipt, now())).collect();
    for ending in endings {
        assert_eq!(ending.await.unwrap(), Settled::Recorded);
    }
    let found = "SELECT destination, state, count(*) FROM countersign_delivery GROUP BY 1, 2 ORDER BY 1";
    assert_eq!(server.run(found), "backend|2|640\nthere|0|640");
}

/// The server rejects a text that the encoding of its database does not have.
#[tokio::test]
async fn a_message_that_the_server_rejects_fails_alone() {
    let (server, _folder) = server(&[]).await;
    server.run("CREATE DATABASE latin TEMPLATE template0 ENCODING latin1 LC_COLLATE 'C' LC_CTYPE 'C'");
    let url = format!("postgres://postgres@{}/latin", server.address());
    let store = PostgresStore::builder(url).timeout(PATIENCE).build().unwrap();
    store.migrate().await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let mut new = message(&format!("msg_{number}"), b"body");
            new.message.event_type = Some(if number == 25 { "\u{2603}".to_owned() } else { "a\0b".to_owned() });
            store.enqueue(new, now())
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        match call.await {
            Ok(Enqueued::Stored) if number != 25 => {}
            Err(InboxError::Unavailable(_)) if number == 25 => {}
            other => panic!("message {number}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_lease_whose_caller_is_gone_is_given_back() {
    let (server, _folder) = server(&[]).await;
    let store = store(&server);
    assert_eq!(store.enqueue(message("msg_1", b""), now()).await.unwrap(), Enqueued::Stored);
    drop(store.lease("backend", 1, LEASE, now()));
    until("it can be leased", async || store.lease("backend", 1, LEASE, now()).await.unwrap().len() == 1).await;
}

#[tokio::test]
async fn a_first_lease_whose_caller_is_gone_is_given_back() {
    let (server, _folder) = server(&[]).await;
    let store = store(&server);
    drop(store.enqueue_leased(message("msg_1", b"").leased(|_| Some(LEASE)), now()));
    let mut leased = Vec::new();
    until("it can be leased", async || {
        leased = store.lease("backend", 1, LEASE, now()).await.unwrap();
        leased.len() == 1
    })
    .await;
    assert_eq!(leased[0].attempt, 1, "the first lease was no attempt");
}

#[tokio::test]
async fn while_too_many_messages_wait_others_are_rejected_at_once() {
    let (mut server, _folder) = server(&[]).await;
    // The time limit only has to be longer than the restart of the server and 64 MiB of messages take.
    let store = PostgresStore::builder(server.url()).timeout(12 * PATIENCE).build().unwrap();
    server.kill();
    let waiting: Vec<_> =
        (0..64).map(|n| store.enqueue(message(&format!("msg_{n}"), &vec![0; 1 << 20]), now())).collect();
    let rejected = timeout(PATIENCE, store.enqueue(message("msg_64", b""), now())).await;
    assert!(matches!(rejected, Ok(Err(InboxError::Unavailable(_)))), "{rejected:?}");
    assert_eq!(store.stats().queued, 64);
    let _server = server.restart().await;
    for call in waiting {
        assert_eq!(call.await.unwrap(), Enqueued::Stored);
    }
    assert_eq!(store.enqueue(message("msg_64", b""), now()).await.unwrap(), Enqueued::Stored);
}
