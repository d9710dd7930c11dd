//! A key set that is shared, refreshed and asked for, on a runtime whose time is paused.

use std::sync::Arc;
use std::time::Duration;

use crate::support::source::{RuntimeClock, Source};
use crate::support::{delivery, verify};
use countersign::key_source::{KeySource, Refreshed};
use countersign::{KeySet, Reason, Secret, Verifier};
use countersign_jwks::cache::{DEFAULT_REFRESH, DEMAND_INTERVAL, MIN_REFRESH};
use countersign_jwks::{Config, Jwks, RemoteKeys, State};
use http::HeaderMap;
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

type Keys = RemoteKeys<Source, RuntimeClock>;

fn keys(source: &Source) -> Keys {
    let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let base = Verifier::builder("gemini").secret(secret).build().unwrap();
    RemoteKeys::new(base, Jwks::new(source.clone(), Config::default(), RuntimeClock))
}

/// With a set at hand, and nothing in the background.
async fn ready(source: &Source) -> Keys {
    let keys = keys(source);
    assert!(keys.jwks().refresh().await.is_some());
    sleep(DEMAND_INTERVAL).await;
    keys
}

/// What a layer does with a delivery.
async fn deliver(keys: &Keys, key: u8) -> Result<(), Reason> {
    receive(keys, &delivery(key)).await
}

async fn receive(keys: &Keys, headers: &HeaderMap) -> Result<(), Reason> {
    let verifier = keys.verifier();
    let Err(rejection) = verify(&verifier, headers) else { return Ok(()) };
    assert!(rejection.wants_public_key());
    match keys.refresh(&verifier).await {
        Refreshed::Newer(newer) => verify(&newer, headers).map(drop).map_err(|rejection| rejection.reason()),
        Refreshed::Unchanged => Err(rejection.reason()),
        Refreshed::Unavailable => Err(Reason::UnsupportedScheme),
    }
}

#[tokio::test(start_paused = true)]
async fn the_background_fetches_at_start_and_when_it_is_due() {
    let source = Source::with(&[1]);
    let keys = keys(&source);
    assert_eq!(keys.jwks().stats().state, State::Empty);
    let background = tokio::spawn(keys.jwks().run());
    sleep(SECOND).await;
    assert_eq!((source.fetches(), keys.jwks().stats().state), (1, State::Fresh));
    sleep(DEFAULT_REFRESH.saturating_sub(2 * SECOND)).await;
    assert_eq!(source.fetches(), 1);
    source.publish(&[2]);
    sleep(2 * SECOND).await;
    assert_eq!(source.fetches(), 2);
    assert!(verify(&keys.verifier(), &delivery(2)).is_ok());
    assert!(verify(&keys.verifier(), &delivery(1)).is_err());
    background.abort();
    let _ = background.await;
    sleep(DAY).await;
    assert_eq!(source.fetches(), 2, "dropped, it has ended");
    assert_eq!(keys.jwks().stats().state, State::TooOld);
}

#[tokio::test(start_paused = true)]
async fn the_background_tries_again_when_a_delivery_found_the_source_down() {
    let source = Source::with(&[1]);
    let keys = keys(&source);
    let _background = tokio::spawn(keys.jwks().run());
    sleep(SECOND).await;
    source.publish(&[]);
    assert!(matches!(keys.refresh(&keys.verifier()).await, Refreshed::Unavailable));
    source.publish(&[2]);
    sleep(2 * SECOND).await;
    assert!(verify(&keys.verifier(), &delivery(2)).is_ok());
    assert_eq!(source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_signed_with_a_new_key_passes_and_one_with_an_old_key_does_not() {
    let source = Source::with(&[1]);
    let keys = ready(&source).await;
    source.publish(&[1, 2]);
    assert_eq!(deliver(&keys, 2).await, Ok(()), "the first one with the new key");
    assert_eq!(source.fetches(), 2);
    assert_eq!(deliver(&keys, 1).await, Ok(()));
    source.publish(&[2]);
    sleep(DEMAND_INTERVAL).await;
    assert_eq!(keys.jwks().refresh().await.map(|set| set.len()), Some(1));
    assert_eq!(deliver(&keys, 1).await, Err(Reason::SignatureMismatch));
    assert_eq!(deliver(&keys, 2).await, Ok(()));
    assert_eq!(source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn forged_deliveries_do_not_drive_it() {
    let source = Source::with(&[1]);
    let keys = ready(&source).await;
    let headers = delivery(66);
    for _ in 0..5 {
        let forged = (0..2000).map(|_| {
            let (keys, headers) = (keys.clone(), headers.clone());
            tokio::spawn(async move { receive(&keys, &headers).await })
        });
        for forged in forged.collect::<Vec<_>>() {
            assert!(forged.await.unwrap().is_err());
        }
        assert_eq!(deliver(&keys, 1).await, Ok(()));
        sleep(SECOND).await;
    }
    assert_eq!(source.fetches(), 2);
    sleep(DEMAND_INTERVAL).await;
    assert!(deliver(&keys, 66).await.is_err());
    assert_eq!(source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_share_one_fetch_that_outlives_them() {
    let source = Source::with(&[1]);
    let keys = ready(&source).await;
    source.publish(&[2]);
    source.takes(SECOND);
    let tried = keys.verifier();
    let asked: Vec<_> = (0..100).map(|_| keys.refresh(&tried)).collect();
    for (index, refreshing) in asked.into_iter().enumerate() {
        match index {
            0..50 => drop(refreshing),
            _ => assert!(matches!(refreshing.await, Refreshed::Newer(_))),
        }
    }
    assert_eq!(source.fetches(), 2);

    source.publish(&[3]);
    sleep(DEMAND_INTERVAL).await;
    let tried = keys.verifier();
    drop(keys.refresh(&tried));
    sleep(2 * SECOND).await;
    assert!(verify(&keys.verifier(), &delivery(3)).is_ok(), "nobody waited for it, and it went on");
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Newer(_)), "known to be newer, without a fetch");
    assert_eq!(source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_wait_for_a_fetch() {
    let source = Source::with(&[1]);
    let keys = ready(&source).await;
    source.takes(SECOND);
    let tried = keys.verifier();
    let waiting: Vec<_> = (0..1024).map(|_| keys.refresh(&tried)).collect();
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unavailable));
    for refreshing in waiting {
        assert!(matches!(refreshing.await, Refreshed::Unchanged));
    }
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unchanged));
}

#[tokio::test(start_paused = true)]
async fn without_a_set_nobody_knows() {
    let source = Source::default();
    let keys = keys(&source);
    let tried = keys.verifier();
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unavailable));
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unavailable), "too soon to fetch again");
    assert_eq!(source.fetches(), 1);
    let _background = tokio::spawn(keys.jwks().run());
    sleep(DAY).await;
    source.publish(&[1]);
    sleep(MIN_REFRESH).await;
    assert_eq!(deliver(&keys, 1).await, Ok(()), "it recovers by itself");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_rejected_for_good_only_after_a_successful_fetch() {
    let source = Source::with(&[1]);
    let keys = ready(&source).await;
    assert_eq!(deliver(&keys, 9).await, Err(Reason::SignatureMismatch), "the publisher does not have it");
    source.publish(&[]);
    sleep(DEMAND_INTERVAL).await;
    let tried = keys.verifier();
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unavailable), "the fetch failed");
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unavailable), "and it is too soon for another");
    assert_eq!(source.fetches(), 3);
    assert_eq!(deliver(&keys, 1).await, Ok(()), "known keys stay in use");
    source.publish(&[1]);
    sleep(DEMAND_INTERVAL).await;
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unchanged));
    assert!(matches!(keys.refresh(&tried).await, Refreshed::Unchanged), "the last fetch was successful");
    assert_eq!(source.fetches(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_too_old_is_not_the_last_word() {
    let source = Source::with(&[1]);
    let keys = ready(&source).await;
    source.publish(&[]);
    sleep(DAY.saturating_sub(DEMAND_INTERVAL + SECOND)).await;
    assert_eq!(deliver(&keys, 1).await, Ok(()));
    assert!(matches!(keys.refresh(&keys.verifier()).await, Refreshed::Unavailable));
    let tried = keys.verifier();
    sleep(SECOND).await;
    assert!(keys.jwks().current().is_none());
    assert!(keys.verifier().key_set().is_empty());
    for verifier in [tried, keys.verifier()] {
        assert!(matches!(keys.refresh(&verifier).await, Refreshed::Unavailable));
    }
    assert_eq!(keys.jwks().stats().failures, [("status", 1)].into());
    source.publish(&[1]);
    sleep(DEMAND_INTERVAL).await;
    assert_eq!(deliver(&keys, 1).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_panics_has_failed() {
    let source = Source::with(&[1]);
    let keys = ready(&source).await;
    source.publish(&[255]);
    let refreshed = timeout(SECOND, keys.refresh(&keys.verifier())).await;
    assert!(matches!(refreshed, Ok(Refreshed::Unavailable)));
    assert_eq!(keys.jwks().stats().failures, [("abandoned", 1)].into());
    source.publish(&[2]);
    sleep(DEMAND_INTERVAL).await;
    assert_eq!(deliver(&keys, 2).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn one_verifier_is_made_of_a_set() {
    let source = Source::with(&[1, 2]);
    let first = ready(&source).await;
    let second =
        RemoteKeys::new(Verifier::builder("other").key_set(KeySet::default()).build().unwrap(), first.jwks().clone());
    assert!(Arc::ptr_eq(first.verifier().key_set(), second.verifier().key_set()), "sources share it");
    assert_eq!((first.verifier().source(), second.verifier().source()), ("gemini", "other"));
    let before = first.verifier();
    assert!(first.jwks().refresh().await.is_some());
    assert!(Arc::ptr_eq(before.key_set(), first.verifier().key_set()), "the document is the same");
    assert_eq!(source.fetches(), 2);
}
