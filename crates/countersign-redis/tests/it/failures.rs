//! Servers that are down, that hang, that are full, and connections that are cut.

use std::error::Error;
use std::time::Duration;

use countersign::replay::{Claim, ReplayStore, Settled, StoreError, StoreErrorKind};
use countersign_redis::RedisStore;
use countersign_test::wait::{soon, until};

use crate::support::{LEASE, claim, fresh, handle, key, now, server};

#[tokio::test]
async fn what_was_confirmed_is_done_after_the_server_is_killed() {
    let (mut server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).build().unwrap();
    handle(&store, "msg_1").await;
    let held = fresh(&store, "msg_2").await;
    server.kill();
    let down = soon(claim(&store, "msg_3")).await.unwrap_err();
    assert_eq!(down.kind(), StoreErrorKind::Unavailable);
    let cause = down.source().map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("refused"), "the cause names the failure: {cause}");
    server.restart().await;
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
    assert_eq!(claim(&store, "msg_2").await, Ok(Claim::InFlight));
    assert_eq!(store.confirm(held, now()).await, Ok(Settled::Recorded));
}

/// The confirmation is reported as failed, and reaches the server later.
#[tokio::test]
async fn a_confirmation_is_carried_out_when_the_server_is_back() {
    let (mut server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).timeout(Duration::from_millis(200)).build().unwrap();
    let token = fresh(&store, "msg_1").await;
    server.kill();
    assert!(soon(store.confirm(token, now())).await.is_err());
    server.restart().await;
    until("the message is done", async || claim(&store, "msg_1").await == Ok(Claim::Done)).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_within_the_time_limit() {
    let (server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).timeout(Duration::from_millis(200)).build().unwrap();
    handle(&store, "msg_1").await;
    server.hang();
    for _ in 0..3 {
        assert_eq!(soon(claim(&store, "msg_2")).await, Err(StoreError::timed_out()));
    }
    server.resume();
    until("the server responds", async || claim(&store, "msg_1").await == Ok(Claim::Done)).await;
}

#[tokio::test]
async fn claims_survive_connections_that_are_cut() {
    let (server, _folder) = server(&[]).await;
    let stores = [(); 2].map(|()| RedisStore::builder(server.url()).timeout(Duration::from_secs(10)).build().unwrap());
    for round in 0..20 {
        let id = format!("msg_{round}");
        let claims: Vec<_> = (0..64).map(|copy| stores[copy % 2].claim(key(&id), LEASE, now())).collect();
        server.run(&["CLIENT", "KILL", "TYPE", "normal"]);
        let mut fresh = 0;
        for claim in claims {
            fresh += usize::from(matches!(claim.await.unwrap(), Claim::Fresh(_)));
        }
        assert_eq!(fresh, 1, "fresh claims in round {round}");
    }
}

#[tokio::test]
async fn a_full_server_rejects_new_ids_and_still_settles_claims() {
    let (server, _folder) = server(&["--maxmemory-policy", "noeviction"]).await;
    let store = RedisStore::builder(server.url()).build().unwrap();
    handle(&store, "msg_1").await;
    let token = fresh(&store, "msg_2").await;
    server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(claim(&store, "msg_3").await, Err(StoreError::full()));
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
    assert_eq!(claim(&store, "msg_2").await, Ok(Claim::Done));
    let stats = store.stats();
    assert_eq!((stats.full, stats.failing, stats.errors, stats.calls), (true, false, 1, 6));
    server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    handle(&store, "msg_3").await;
    assert!(!store.stats().full);
}

#[tokio::test]
async fn the_store_counts_calls_and_knows_how_full_the_server_was() {
    let (mut server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).timeout(Duration::from_millis(200)).build().unwrap();
    assert_eq!((store.stats().ids, store.stats().memory), (None, None));
    handle(&store, "msg_1").await;
    drop(fresh(&store, "msg_2").await);
    store.check().await.unwrap();
    let stats = store.stats();
    assert_eq!((stats.ids, stats.calls, stats.errors, stats.queued, stats.failing), (Some(2), 4, 0, 0, false));
    assert!(stats.memory > Some(100_000) && stats.busy > Duration::ZERO, "{stats:?}");
    server.kill();
    assert!(claim(&store, "msg_3").await.is_err());
    assert!(store.stats().failing && store.stats().errors > 0);
}

/// `SCRIPT FLUSH` is what a failover looks like to the scripts: the new server does not have them.
#[tokio::test]
async fn scripts_are_loaded_again() {
    let (server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).build().unwrap();
    let token = fresh(&store, "msg_1").await;
    server.run(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
}
