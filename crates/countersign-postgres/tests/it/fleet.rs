//! Several receivers with one server.

use std::time::Duration;

use countersign::replay::{Claim, ReplayStore, Settled};
use countersign_test::wait::until;

use crate::support::{LEASE, claim, fresh, key, now, server, store};

#[tokio::test]
async fn of_64_claims_through_two_stores_one_is_fresh_a_thousand_times() {
    let (server, _folder) = server(&[]).await;
    let stores = [store(&server), store(&server)];
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

/// The same ids in another order through each store. Transactions that locked them in that order would wait for each
/// other.
#[tokio::test]
async fn batches_with_the_same_ids_in_another_order_do_not_deadlock() {
    let (server, _folder) = server(&["log_lock_waits=on"]).await;
    let stores = [store(&server), store(&server)];
    for round in 0..20 {
        let ids: Vec<_> = (0..300).map(|number| format!("msg_{round}_{number}")).collect();
        let mut claims = Vec::new();
        for (one, other) in ids.iter().zip(ids.iter().rev()) {
            claims.push(stores[0].claim(key(one), LEASE, now()));
            claims.push(stores[1].claim(key(other), LEASE, now()));
        }
        let (mut settling, mut fresh) = (Vec::new(), 0);
        for claim in claims {
            if let Claim::Fresh(token) = claim.await.unwrap() {
                fresh += 1;
                settling.push(stores[fresh % 2].confirm(token, now()));
            }
        }
        assert_eq!(fresh, 300);
        for settled in settling {
            assert_eq!(settled.await, Ok(Settled::Recorded));
        }
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";
    assert_eq!(server.run(deadlocks), "0");
}

#[tokio::test]
async fn a_claim_whose_caller_is_gone_is_released_at_once() {
    let (server, _folder) = server(&[]).await;
    let store = store(&server);
    drop(store.claim(key("msg_1"), LEASE, now()));
    until("the claim is released", async || matches!(claim(&store, "msg_1").await, Ok(Claim::Fresh(_)))).await;
}

#[tokio::test]
async fn a_confirmed_id_can_be_forgotten() {
    let (server, _folder) = server(&[]).await;
    let store = store(&server);
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
    let store = store(&server);
    let brief = store.with_retain(Duration::from_millis(1));
    let token = fresh(&store, "msg_1").await;
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
    let token = fresh(&store, "msg_2").await;
    assert_eq!(brief.confirm(token, now()).await, Ok(Settled::Recorded));
    until("the id is forgotten", async || matches!(claim(&store, "msg_2").await, Ok(Claim::Fresh(_)))).await;
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
}
