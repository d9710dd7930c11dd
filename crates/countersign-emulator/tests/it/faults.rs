//! Faults on demand: each does what it says, as often as it was asked to.

use std::collections::BTreeSet;

use crate::common::{Api, Receiver, config, text, until, verifier};
use countersign::Reason;
use countersign::clock::{Clock as _, SystemClock};
use countersign_emulator::Config;
use serde_json::{Value, json};

/// A webhook for `batch.failed`, its receiver and its secret.
async fn stage(config: Config) -> (Api, Receiver, String) {
    let (api, receiver) = (Api::start(config).await, Receiver::start().await);
    let (_, secret) = api.register(&receiver.uri, &["batch.failed", "batch.expired"]).await;
    (api, receiver, secret)
}

async fn set(api: &Api, faults: Value) -> Value {
    api.ok("POST", "/_emulator/faults", faults).await
}

#[tokio::test]
async fn the_next_attempts_are_what_their_receivers_have_to_refuse() {
    let (api, receiver, secret) = stage(config()).await;
    let faults = [
        ("tampered_body", Reason::SignatureMismatch),
        ("reserialized_body", Reason::SignatureMismatch),
        ("stale_timestamp", Reason::TimestampTooOld),
        ("wrong_key", Reason::SignatureMismatch),
    ];
    for (number, (fault, reason)) in (1..).zip(faults) {
        assert_eq!(set(&api, json!({ fault: 1 })).await, json!({ fault: 1 }));
        let made = api.emit(json!({ "type": "batch.failed" })).await;
        let seen = receiver.has_seen(number * 2 - 1).await.pop().expect("one at least");
        assert_eq!(seen.verdict(&verifier(&[&secret]), SystemClock.now()).map(|_| ()), Err(reason), "{fault}");
        let path = format!("/_emulator/deliveries/{}", text(&made["ids"][0]));
        until("it is noted", async || api.ok("GET", &path, Value::Null).await["status"] == "delivered").await;
        assert_eq!(api.ok("GET", &path, Value::Null).await["attempts"][0]["fault"], fault);
        let body = text(&api.ok("GET", &path, Value::Null).await["body"]);
        let is_changed = matches!(fault, "tampered_body" | "reserialized_body");
        assert_eq!(seen.body != body, is_changed, "{fault}");
        assert_eq!(
            seen.json() == serde_json::from_str::<Value>(&body).expect("JSON"),
            fault != "tampered_body",
            "{fault}"
        );

        // The one after it is authentic.
        assert_eq!(api.ok("GET", "/_emulator/faults", Value::Null).await, json!({}));
        api.emit(json!({ "type": "batch.failed" })).await;
        let seen = receiver.has_seen(number * 2).await.pop().expect("one at least");
        assert!(seen.verdict(&verifier(&[&secret]), SystemClock.now()).is_ok());
    }
}

#[tokio::test]
async fn a_duplicate_comes_after_its_success_with_the_same_id() {
    let (api, receiver, secret) = stage(Config { time_scale: 1000.0, ..config() }).await;
    set(&api, json!({ "duplicate": 1 })).await;
    api.emit(json!({ "type": "batch.failed" })).await;
    let seen = receiver.has_seen(2).await;
    api.ended("delivered", 1).await;
    assert_eq!((seen[0].id(), receiver.seen().len()), (seen[1].id(), 2));
    assert!(seen.iter().all(|seen| seen.verdict(&verifier(&[&secret]), SystemClock.now()).is_ok()));
}

#[tokio::test]
async fn a_delivery_that_is_held_back_is_overtaken() {
    let (api, receiver, _) = stage(config()).await;
    set(&api, json!({ "reordered": 1 })).await;
    let held = api.emit(json!({ "type": "batch.failed" })).await;
    let held = text(&held["ids"][0]);
    api.emit(json!({ "type": "batch.expired" })).await;
    let first = receiver.has_seen(1).await.remove(0);
    assert_eq!(first.json()["type"], "batch.expired");
    api.advance("30s").await;
    assert_eq!(receiver.has_seen(2).await[1].id(), held);
}

#[tokio::test]
async fn a_burst_is_ten_events_with_ids_of_their_own() {
    let (api, receiver, _) = stage(config()).await;
    set(&api, json!({ "burst": 1 })).await;
    assert_eq!(api.emit(json!({ "type": "batch.failed" })).await["deliveries"], 10);
    let ids: BTreeSet<_> = receiver.has_seen(10).await.iter().map(|seen| seen.id().to_owned()).collect();
    assert_eq!(ids.len(), 10);
}

#[tokio::test]
async fn an_event_of_a_type_that_nobody_knows_is_genuine() {
    let (api, receiver, secret) = stage(config()).await;
    set(&api, json!({ "unknown_event_type": 1 })).await;
    api.emit(json!({ "type": "batch.failed" })).await;
    let seen = receiver.has_seen(1).await.remove(0);
    let verified = seen.verdict(&verifier(&[&secret]), SystemClock.now()).expect("it is authentic");
    assert_eq!(verified.event_type().as_deref(), Some("emulator.unheard_of"));
}

#[tokio::test]
async fn faults_are_read_strictly_and_set_all_or_none() {
    let (api, _, _) = stage(Config { faults: "duplicate=50%".parse().expect("faults"), ..config() }).await;
    for (faults, field) in [
        (json!({ "wrong_key": 3, "tempered_body": 1 }), "tempered_body"),
        (json!({ "wrong_key": -1 }), "wrong_key"),
        (json!({ "wrong_key": "110%" }), "wrong_key"),
        (json!({ "wrong_key": true }), "wrong_key"),
    ] {
        let (status, answer) = api.call("POST", "/_emulator/faults", &faults).await;
        assert_eq!((status, &answer["error"]["details"][0]["fieldViolations"][0]["field"]), (400, &field.into()));
    }
    let (_, answer) = api.call("POST", "/_emulator/faults", &json!({ "tempered_body": 1 })).await;
    assert!(text(&answer["error"]["message"]).contains("; the faults are tampered_body, "), "{answer}");
    assert_eq!(api.ok("GET", "/_emulator/faults", Value::Null).await, json!({ "duplicate": "50%" }));
    assert_eq!(set(&api, json!({ "duplicate": 0, "wrong_key": "2.5%" })).await, json!({ "wrong_key": "2.5%" }));
}
