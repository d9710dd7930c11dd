//! Several receivers with one server.

use std::time::Duration;

use countersign::replay::{Claim, ReplayStore, Settled};
use countersign_redis::RedisStore;
use countersign_test::wait::until;
use tokio::task::JoinSet;

use crate::support::{LEASE, claim, fresh, handle, key, now, server};

#[tokio::test]
async fn of_64_claims_through_two_stores_one_is_fresh_a_thousand_times() {
    let (server, _folder) = server(&[]).await;
    let stores = [(); 2].map(|()| RedisStore::builder(server.url()).build().unwrap());
    for message in 0..1_000 {
        let id = format!("msg_{message}");
        let claims: Vec<_> = (0..64).map(|copy| stores[copy % 2].claim(key(&id), LEASE, now())).collect();
        let mut tokens = Vec::new();
        for claim in claims {
            match claim.await.unwrap() {
                Claim::Fresh(token) => tokens.push(token),
                other => assert_eq!(other, Claim::InFlight),
            }
        }
        assert_eq!(tokens.len(), 1, "fresh claims of message {message}");
        // The other store settles it: the token is all that it needs.
        let settled = stores[1].confirm(tokens.remove(0), now()).await;
        assert_eq!(settled, Ok(Settled::Recorded));
        assert_eq!(claim(&stores[0], &id).await, Ok(Claim::Done));
    }
}

#[tokio::test]
async fn a_prefix_separates_stores() {
    let (server, _folder) = server(&[]).await;
    let one = RedisStore::builder(server.url()).prefix("one").build().unwrap();
    let other = RedisStore::builder(server.url()).prefix("other").build().unwrap();
    handle(&one, "msg_1").await;
    handle(&other, "msg_1").await;
    assert_eq!(server.run(&["GET", "one:source msg_1"]).split(' ').next(), Some("done"));
}

#[tokio::test]
async fn a_claim_whose_caller_is_gone_is_released_at_once() {
    let (server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).build().unwrap();
    drop(store.claim(key("msg_1"), LEASE, now()));
    until("the claim is released", async || matches!(claim(&store, "msg_1").await, Ok(Claim::Fresh(_)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_claims_than_may_wait_are_rejected() {
    let (server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).build().unwrap();
    server.hang();
    let mut claims = JoinSet::new();
    for number in 0..5_000 {
        claims.spawn(store.claim(key(&format!("msg_{number}")), LEASE, now()));
    }
    let outcomes = claims.join_all().await;
    server.resume();
    let rejected = outcomes.iter().filter(|outcome| {
        let cause = outcome.as_ref().err().and_then(std::error::Error::source);
        cause.is_some_and(|cause| cause.to_string().contains("too many claims"))
    });
    assert_eq!(rejected.count(), 5_000 - 4_096);
}

#[tokio::test]
async fn a_confirmed_id_can_be_forgotten() {
    let (server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).build().unwrap();
    assert_eq!(store.forget(key("msg_1")).await, Ok(false));
    let token = fresh(&store, "msg_1").await;
    assert_eq!(store.forget(key("msg_1")).await, Ok(false), "it is in flight");
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
    assert_eq!(store.forget(key("msg_1")).await, Ok(true));
    drop(fresh(&store, "msg_1").await);
}

#[tokio::test]
async fn copies_of_a_store_have_retentions_of_their_own() {
    let (server, _folder) = server(&[]).await;
    let store = RedisStore::builder(server.url()).build().unwrap();
    let brief = store.with_retain(Duration::from_millis(1));
    let token = fresh(&store, "msg_1").await;
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
    let token = fresh(&store, "msg_2").await;
    assert_eq!(brief.confirm(token, now()).await, Ok(Settled::Recorded));
    until("the id is forgotten", async || matches!(claim(&store, "msg_2").await, Ok(Claim::Fresh(_)))).await;
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
}
