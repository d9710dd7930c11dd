//! How deliveries are made: signed, repeated, given up, over real sockets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Api, Receiver, config, soon, text, until, verifier};
use countersign::clock::{Clock as _, SystemClock};
use countersign::verdict::Scheme;
use countersign::{KeySet, Reason, TokenPolicy, Verifier};
use countersign_emulator::{Config, Dynamic};
use serde_json::{Value, json};

#[tokio::test]
async fn a_webhook_is_sent_what_it_asked_for_signed_with_its_secret() {
    let (api, receiver) = (Api::start(config()).await, Receiver::start().await);
    let (_, secret) = api.register(&receiver.uri, &["batch.succeeded", "video.generated"]).await;
    assert_eq!(api.emit(json!({ "type": "batch.failed" })).await["deliveries"], 0);
    let made = api.emit(json!({ "type": "batch.succeeded", "user_metadata": { "job": 7 } })).await;
    let seen = receiver.has_seen(1).await.remove(0);
    let verified = seen.verdict(&verifier(&[&secret]), SystemClock.now()).expect("it is authentic");
    assert_eq!(
        (verified.scheme(), verified.message_id().as_str()),
        (Scheme::V1, made["ids"][0].as_str().expect("an id"))
    );
    let event = verified.event().expect("an event");
    assert_eq!(event.event_type, "batch.succeeded");
    assert!(event.data.output_file_uri.is_some_and(|uri| uri.starts_with("gs://")));
    assert_eq!(event.user_metadata.expect("returned")["job"], 7);
    assert_eq!((seen.header("content-type"), receiver.seen().len()), ("application/json", 1));
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_24_emulated_hours() {
    let (api, receiver) = (Api::start(config()).await, Receiver::start().await);
    let (id, old) = api.register(&receiver.uri, &["batch.failed"]).await;
    let rotate = async |path: &str, behavior: &str| {
        let (path, body) = (format!("/v1/webhooks/{id}{path}"), json!({ "revocation_behavior": behavior }));
        text(&api.ok("POST", &path, body).await["secret"])
    };
    let new = rotate(":rotateSigningSecret", "revoke_previous_secrets_after_h24").await;
    let mut count = 0;
    let mut signs = async |secrets: &[&String]| {
        api.emit(json!({ "type": "batch.failed" })).await;
        count += 1;
        let seen = receiver.has_seen(count).await.remove(count - 1);
        let verdicts = secrets.iter().map(|secret| seen.verdict(&verifier(&[secret]), SystemClock.now()).is_ok());
        (seen.header("webhook-signature").split(' ').count(), verdicts.collect::<Vec<_>>())
    };
    assert_eq!(signs(&[&old, &new]).await, (2, vec![true, true]));
    api.advance("23h 59m").await;
    assert_eq!(signs(&[&old, &new]).await, (2, vec![true, true]));
    api.advance("1m").await;
    assert_eq!(signs(&[&old, &new]).await, (1, vec![false, true]));
    let third = rotate("/rotate_secret", "REVOKE_PREVIOUS_SECRETS_IMMEDIATELY").await;
    assert_eq!(signs(&[&new, &third]).await, (1, vec![false, true]));
}

#[tokio::test]
async fn each_attempt_has_the_same_id_and_a_signature_of_its_own() {
    let api = Api::start(Config { time_scale: 100.0, ..config() }).await;
    let mut statuses = [404, 302, 503].into_iter();
    let receiver = Receiver::scripted(move |_| {
        (statuses.next().unwrap_or(200), vec![("location", "http://127.0.0.1:1/elsewhere".to_owned())])
    })
    .await;
    let (_, secret) = api.register(&receiver.uri, &["batch.failed"]).await;
    let made = api.emit(json!({ "type": "batch.failed" })).await;
    // 10 + 20 + 40 emulated seconds, a little more or less.
    let seen = receiver.has_seen(4).await;
    api.ended("delivered", 1).await;
    let ids: BTreeSet<_> = seen.iter().map(|seen| seen.id().to_owned()).collect();
    assert_eq!(ids, BTreeSet::from([text(&made["ids"][0])]));
    assert!(seen.iter().all(|seen| seen.verdict(&verifier(&[&secret]), SystemClock.now()).is_ok()));
    let delivery = api.ok("GET", &format!("/_emulator/deliveries/{}", seen[0].id()), Value::Null).await;
    let statuses: Vec<_> = attempts(&delivery).iter().map(|attempt| attempt["answer"]["status"].clone()).collect();
    assert_eq!(statuses, [404, 302, 503, 200]);
    let stamps: Vec<_> = seen.iter().map(|seen| seen.header("webhook-timestamp").to_owned()).collect();
    let noted: Vec<_> = attempts(&delivery).iter().map(|attempt| attempt["webhook_timestamp"].to_string()).collect();
    assert_eq!(stamps, noted);
}

#[tokio::test]
async fn a_day_of_failures_is_over_within_a_minute_with_the_attempts_of_the_schedule() {
    let config = Config { time_scale: 3600.0, disable_after: 1, ..config() };
    let schedule = config.schedule;
    let (api, receiver) = (Api::start(config).await, Receiver::scripted(|_| (500, Vec::new())).await);
    let (webhook, _) = api.register(&receiver.uri, &["batch.failed"]).await;
    let made = api.emit(json!({ "type": "batch.failed" })).await;
    let path = format!("/_emulator/deliveries/{}", text(&made["ids"][0]));
    let over = async {
        while api.ok("GET", &path, Value::Null).await["status"] != "given_up" {
            pause().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), over).await.expect("a day is over within a minute");

    let delivery = api.ok("GET", &path, Value::Null).await;
    let times: Vec<_> = [&delivery["created"]]
        .into_iter()
        .chain(attempts(&delivery).iter().map(|attempt| &attempt["at"]))
        .map(|time| humantime::parse_rfc3339(&text(time)).expect("a time"))
        .collect();
    let made = u32::try_from(times.len() - 1).expect("few");
    assert_eq!(receiver.seen().len(), times.len() - 1);
    assert!((13..=14).contains(&made), "{made} attempts");
    // What a machine is late by is 3600 times as much in emulated time.
    let late = Duration::from_hours(1);
    for (attempt, pair) in (0..).zip(times.windows(2)) {
        let delay = pair[1].duration_since(pair[0]).expect("one after the other");
        let (soonest, latest) = if attempt == 0 {
            Default::default()
        } else {
            (schedule.delay(attempt, 0.0), schedule.delay(attempt, 1.0))
        };
        assert!(
            (soonest..=latest + late).contains(&delay),
            "attempt {attempt}: {delay:?}, not {soonest:?} to {latest:?}"
        );
    }
    let elapsed = times[times.len() - 1].duration_since(times[0]).expect("a day");
    assert!(elapsed <= schedule.window + late && elapsed + schedule.delay(made, 1.0) > schedule.window, "{elapsed:?}");
    let state = api.ok("GET", &format!("/v1/webhooks/{webhook}"), Value::Null).await["state"].clone();
    assert_eq!(state, "disabled_due_to_failed_deliveries");

    // Enabled anew, it is sent what happens from now on.
    assert_eq!(api.emit(json!({ "type": "batch.failed" })).await["deliveries"], 0);
    let enabled = api.ok("PATCH", &format!("/v1/webhooks/{webhook}"), json!({ "state": "enabled" })).await;
    assert_eq!(enabled["state"], "enabled");
    assert_eq!(api.emit(json!({ "type": "batch.failed" })).await["deliveries"], 1);
    receiver.has_seen(times.len()).await;
}

#[tokio::test]
async fn whoever_says_gone_is_sent_nothing_more() {
    let (api, receiver) = (Api::start(config()).await, Receiver::scripted(|_| (410, Vec::new())).await);
    let (webhook, _) = api.register(&receiver.uri, &["batch.failed"]).await;
    api.emit(json!({ "type": "batch.failed" })).await;
    api.ended("gone", 1).await;
    let state = api.ok("GET", &format!("/v1/webhooks/{webhook}"), Value::Null).await["state"].clone();
    assert_eq!(state, "disabled_due_to_failed_deliveries");
    api.advance("1d").await;
    assert_eq!(
        (api.emit(json!({ "type": "batch.failed" })).await["deliveries"].clone(), receiver.seen().len()),
        (0.into(), 1)
    );
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_it_in_emulated_time() {
    let api = Api::start(config()).await;
    let mut is_first = true;
    let receiver = Receiver::scripted(move |_| {
        let patience = vec![("retry-after", "7200".to_owned())];
        if std::mem::take(&mut is_first) { (429, patience) } else { (200, Vec::new()) }
    })
    .await;
    api.register(&receiver.uri, &["batch.failed"]).await;
    let made = api.emit(json!({ "type": "batch.failed" })).await;
    let path = format!("/_emulator/deliveries/{}", text(&made["ids"][0]));
    until("it waits", async || api.ok("GET", &path, Value::Null).await["status"] == "waiting").await;
    let delivery = api.ok("GET", &path, Value::Null).await;
    assert_eq!(
        attempts(&delivery)[0]["answer"],
        json!({ "status": 429, "retry_after_seconds": 7200, "said": "noted" })
    );
    api.advance("1h 59m").await;
    assert_eq!(api.ok("GET", &path, Value::Null).await["attempts"].as_array().map(Vec::len), Some(1));
    api.advance("1m").await;
    api.ended("delivered", 1).await;
    assert_eq!(receiver.seen().len(), 2);
}

#[tokio::test]
async fn whoever_is_silent_is_tried_again() {
    let config = Config { timeout: Duration::from_millis(200), ..config() };
    let api = Api::start(config).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let uri = format!("http://{}/", silent.local_addr().expect("a bound listener"));
    let made = api.emit(json!({ "type": "batch.failed", "uris": [uri] })).await;
    let (_held, _) = soon(silent.accept()).await.expect("a connection");
    let path = format!("/_emulator/deliveries/{}", text(&made["ids"][0]));
    until("it waits", async || api.ok("GET", &path, Value::Null).await["status"] == "waiting").await;
    let delivery = api.ok("GET", &path, Value::Null).await;
    assert_eq!(attempts(&delivery)[0]["answer"]["error"], "no response within 200ms");
}

#[tokio::test]
async fn dynamic_deliveries_are_signed_with_published_keys_until_these_are_rotated() {
    for (dynamic, scheme) in [(Dynamic::V1a, Scheme::V1a), (Dynamic::Rs256, Scheme::Rs256)] {
        let (api, receiver) = (Api::start(Config { dynamic, ..config() }).await, Receiver::start().await);
        let published = async || {
            let document = api.ok("GET", "/.well-known/jwks.json", Value::Null).await.to_string();
            let set = Arc::new(KeySet::parse(document.as_bytes()).expect("a key set"));
            assert_eq!(set.len(), 4);
            let policy = TokenPolicy::new([receiver.uri.clone()]);
            Verifier::builder("test").key_set(set).token(policy).build().expect("a verifier")
        };
        let before = published().await;
        for count in 1..=10 {
            api.emit(json!({ "type": "video.generated", "uris": [receiver.uri], "user_metadata": { "n": 1.5 } })).await;
            let seen = receiver.has_seen(count).await.remove(count - 1);
            let verified = seen.verdict(&before, SystemClock.now()).expect("it is authentic");
            assert_eq!(verified.scheme(), scheme);
        }
        let rotated = api.ok("POST", "/_emulator/keys:rotate", Value::Null).await;
        let after = published().await;
        assert_eq!(rotated["keys"].as_array().map(Vec::len), Some(4));
        api.emit(json!({ "type": "video.generated", "uris": [receiver.uri] })).await;
        let seen = receiver.has_seen(11).await.remove(10);
        assert!(seen.verdict(&before, SystemClock.now()).is_err());
        assert_eq!(seen.verdict(&after, SystemClock.now()).map(|verified| verified.scheme()), Ok(scheme));
    }
}

#[tokio::test]
async fn tokens_are_for_the_audience_that_was_set() {
    let config = Config { dynamic: Dynamic::Rs256, audience: Some("https://hooks.example.com/".into()), ..config() };
    let (api, receiver) = (Api::start(config).await, Receiver::start().await);
    api.emit(json!({ "type": "video.generated", "uris": [receiver.uri] })).await;
    let seen = receiver.has_seen(1).await.remove(0);
    let document = api.ok("GET", "/.well-known/jwks.json", Value::Null).await.to_string();
    let verdict = |audience: &str| {
        let set = Arc::new(KeySet::parse(document.as_bytes()).expect("a key set"));
        let builder = Verifier::builder("test").key_set(set).token(TokenPolicy::new([audience]));
        seen.verdict(&builder.build().expect("a verifier"), SystemClock.now()).map(|_| ())
    };
    assert_eq!(verdict("https://hooks.example.com/"), Ok(()));
    assert_eq!(verdict(&receiver.uri), Err(Reason::TokenAudience));
}

#[tokio::test]
async fn a_delivery_to_a_webhook_that_was_disabled_or_deleted_is_dropped() {
    let (api, receiver) = (Api::start(config()).await, Receiver::scripted(|_| (500, Vec::new())).await);
    for (count, method, body) in [(1, "PATCH", json!({ "state": "disabled" })), (2, "DELETE", Value::Null)] {
        let (webhook, _) = api.register(&receiver.uri, &["batch.failed"]).await;
        api.emit(json!({ "type": "batch.failed" })).await;
        receiver.has_seen(count).await;
        api.ok(method, &format!("/v1/webhooks/{webhook}"), body).await;
        api.advance("1h").await;
        api.ended("dropped", count as u64).await;
    }
    assert_eq!(receiver.seen().len(), 2);
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn attempts(delivery: &Value) -> &Vec<Value> {
    delivery["attempts"].as_array().expect("attempts")
}
