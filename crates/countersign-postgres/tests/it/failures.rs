//! Servers that are down, that hang, and connections that are cut.

use std::error::Error;
use std::time::Duration;

use countersign::replay::{Claim, ReplayStore, Settled, StoreErrorKind};
use countersign_inbox::{Enqueued, Inbox};
use countersign_postgres::PostgresStore;
use countersign_test::process::free_address;
use countersign_test::wait::{soon, until};
use tokio::net::TcpListener;

use crate::support::{LEASE, PATIENCE, claim, fresh, handle, key, message, now, server, store};

#[tokio::test]
async fn what_was_confirmed_is_done_after_the_server_crashed() {
    let (mut server, _folder) = server(&[]).await;
    let store = store(&server);
    handle(&store, "msg_1").await;
    let held = fresh(&store, "msg_2").await;
    server.kill();
    let _server = server.restart().await;
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
    assert_eq!(claim(&store, "msg_2").await, Ok(Claim::InFlight));
    assert_eq!(store.confirm(held, now()).await, Ok(Settled::Recorded));
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_that_names_the_cause() {
    let url = format!("postgres://postgres@{}/postgres", free_address());
    let store = PostgresStore::builder(url).timeout(Duration::from_millis(200)).build().unwrap();
    let down = soon(claim(&store, "msg_1")).await.unwrap_err();
    assert_eq!(down.kind(), StoreErrorKind::Unavailable);
    let mut cause: Option<&dyn Error> = Some(&down);
    let mut causes = String::new();
    while let Some(error) = cause {
        causes.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(causes.contains("refused"), "{causes}");
}

/// The confirmation is reported as failed, and reaches the server later.
#[tokio::test]
async fn a_confirmation_is_carried_out_when_the_server_is_back() {
    let (mut server, _folder) = server(&[]).await;
    let patient = store(&server);
    let hasty = PostgresStore::builder(server.url()).timeout(Duration::from_millis(300)).build().unwrap();
    let token = fresh(&patient, "msg_1").await;
    server.kill();
    assert!(soon(hasty.confirm(token, now())).await.is_err());
    let _server = server.restart().await;
    until("the message is done", async || claim(&patient, "msg_1").await == Ok(Claim::Done)).await;
}

/// It accepts connections and never responds.
#[tokio::test]
async fn a_server_that_hangs_is_an_error_within_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://postgres@{}/postgres", listener.local_addr().unwrap());
    let store = PostgresStore::builder(url).timeout(Duration::from_millis(200)).build().unwrap();
    for _ in 0..3 {
        assert_eq!(soon(claim(&store, "msg_1")).await.unwrap_err().kind(), StoreErrorKind::TimedOut);
    }
}

#[tokio::test]
async fn claims_survive_connections_that_are_cut() {
    let (server, _folder) = server(&[]).await;
    let stores = [store(&server), store(&server)];
    for round in 0..10 {
        let id = format!("msg_{round}");
        let claims: Vec<_> = (0..64).map(|copy| stores[copy % 2].claim(key(&id), LEASE, now())).collect();
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign'");
        let mut fresh = 0;
        for claim in claims {
            fresh += usize::from(matches!(claim.await.unwrap(), Claim::Fresh(_)));
        }
        assert_eq!(fresh, 1, "fresh claims in round {round}");
    }
}

/// The standby has all that was acknowledged, because the server waits for it (`synchronous_standby_names`).
#[tokio::test]
async fn a_store_follows_a_failover_and_loses_nothing() {
    let (mut primary, _folder) = server(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let standby = primary.standby(folder.path()).await;
    primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.run("SELECT pg_reload_conf()");
    until("the standby is synchronous", async || primary.run("SELECT sync_state FROM pg_stat_replication") == "sync")
        .await;
    let hosts = format!("{},{}", primary.address(), standby.address());
    let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs=read-write");
    let store = PostgresStore::builder(url).timeout(PATIENCE).build().unwrap();
    handle(&store, "claimed").await;
    let enqueue = async |n: usize| store.enqueue(message(&format!("msg_{n}"), b"body"), now()).await;
    for n in 0..20 {
        assert_eq!(enqueue(n).await.unwrap(), Enqueued::Stored);
    }
    primary.kill();
    standby.run("SELECT pg_promote()");
    assert_eq!(enqueue(20).await.unwrap(), Enqueued::Stored);
    assert_eq!(claim(&store, "claimed").await, Ok(Claim::Done));
    let leased = store.lease("backend", 100, LEASE, now()).await.unwrap();
    assert_eq!(leased.len(), 21);
}
