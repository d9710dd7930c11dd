//! Reconciling with the emulator, and with an API that fails.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot set up its case has to fail")]

use std::time::Duration;

use bytes::Bytes;
use countersign::UnixTime;
use countersign::clock::{Clock as _, SystemClock};
use countersign_client::Client;
use countersign_emulator::{Config, Emulator, Schedule};
use countersign_reconcile::{Api, ApiError, Missing, Seen, SeenEvent, Terms, WebhookState, reconcile};
use countersign_test::backend::{Answer, Backend};
use countersign_test::process::free_address;
use countersign_test::wait::until;
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

const KEY: &str = Config::API_KEY;

fn api(base: &str, key: &'static str) -> Api {
    Api::new(Client::builder(), base.parse().expect("a base URL"), HeaderValue::from_static(key))
}

/// Looks at everything until now.
fn terms() -> Terms {
    Terms { since: UnixTime::default(), until: SystemClock.now().saturating_add(Duration::from_secs(60)) }
}

async fn call(base: &str, method: Method, path: &str, body: Value) -> Value {
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder().method(method).uri(format!("{base}{path}")).header("x-goog-api-key", KEY);
    let request = request.header("content-type", "application/json").body(body).unwrap();
    let (head, body) = Client::builder().max_body(1 << 20).build().send(request).await.unwrap().into_parts();
    let body = body.bytes().await.unwrap();
    assert!(head.status.is_success(), "{} {body:?}", head.status);
    serde_json::from_slice(&body).unwrap()
}

/// An emulator whose jobs end at once, and whose webhook at this address is given up after the first failure.
async fn emulator(hook: &str) -> Emulator {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        job_time: Duration::from_millis(1),
        webhooks: vec![hook.parse().unwrap()],
        disable_after: 1,
        schedule: Schedule { window: Duration::ZERO, ..Schedule::default() },
        ..Config::default()
    };
    Emulator::start(config, None).await.expect("the emulator runs")
}

async fn batch(base: &str, text: &str) -> String {
    let requests = json!({ "requests": [{ "request": { "contents": [{ "parts": [{ "text": text }] }] } }] });
    let batch = json!({ "batch": { "display_name": "x", "input_config": { "requests": requests } } });
    let created = call(base, Method::POST, "/v1beta/models/m:batchGenerateContent", batch).await;
    created["name"].as_str().unwrap().to_owned()
}

async fn interaction(base: &str, text: &str) -> String {
    let body = json!({ "model": "m", "input": text, "background": true });
    call(base, Method::POST, "/v1beta/interactions", body).await["id"].as_str().unwrap().to_owned()
}

fn types(missing: &[Missing]) -> Vec<(&str, Option<&str>)> {
    missing.iter().map(|missing| (missing.name().as_str(), missing.event_type())).collect()
}

#[tokio::test]
async fn lost_deliveries_are_found_and_a_disabled_webhook_is_enabled() {
    let emulator = emulator(&format!("http://{}/", free_address())).await;
    let (base, api) = (emulator.base_url().to_owned(), api(emulator.base_url(), KEY));
    let (failed, done) = (batch(&base, "[[fail]]").await, batch(&base, "hello").await);
    let (asked, silent) = (interaction(&base, "hello").await, interaction(&base, "[[incomplete]]").await);
    until("the sender gives up", async || emulator.totals().open == 0 && !emulator.totals().ended.is_empty()).await;
    let named = [&asked, &silent, "batches/unknown"].map(|name| name.parse().unwrap());
    until("all jobs have ended", async || {
        reconcile(&api, &Seen::default(), &named, terms()).await.unwrap().running == 0
    })
    .await;
    let report = reconcile(&api, &Seen::default(), &named, terms()).await.unwrap();
    let expected = [
        (&*done, Some("batch.succeeded")),
        (&*failed, Some("batch.failed")),
        (&*asked, Some("interaction.completed")),
        (&*silent, None),
    ];
    assert_eq!(types(&report.missing), expected);
    assert_eq!((report.unknown.len(), report.delivered, report.is_partial), (1, 0, false));
    let webhook = &report.webhooks[0];
    assert_eq!(webhook.state, WebhookState::DisabledDueToFailedDeliveries);
    assert!(report.missing.iter().take(3).all(|missing| missing.is_subscribed));
    api.enable(webhook).await.unwrap();
    assert_eq!(api.webhooks().await.unwrap()[0].state, WebhookState::Enabled);

    let mut seen = Seen::default();
    let received = SystemClock.now();
    for missing in &report.missing[..2] {
        let body: Value = serde_json::from_slice(&missing.body(received).unwrap()).unwrap();
        assert_eq!(body["type"], missing.event_type().unwrap());
        let id = body["data"]["id"].as_str().unwrap().to_owned();
        seen.record(&SeenEvent { event_type: missing.event_type().unwrap().into(), id, received });
    }
    let report = reconcile(&api, &seen, &named, terms()).await.unwrap();
    assert_eq!((report.delivered, types(&report.missing)), (2, expected[2..].to_vec()));
    emulator.stop().await;
}

#[tokio::test]
async fn all_pages_are_read_and_old_or_recent_jobs_are_not_missing() {
    let emulator = emulator("http://127.0.0.1:9/").await;
    let (base, api) = (emulator.base_url().to_owned(), api(emulator.base_url(), KEY));
    for _ in 0..120 {
        batch(&base, "hello").await;
    }
    let find = async |terms| reconcile(&api, &Seen::default(), &[], terms).await.unwrap();
    until("all jobs have ended", async || find(terms()).await.running == 0).await;
    assert_eq!(find(terms()).await.missing.len(), 120);
    let now = SystemClock.now();
    let recent = find(Terms { until: now.saturating_sub(Duration::from_secs(60)), ..terms() }).await;
    assert_eq!((recent.missing.len(), recent.recent), (0, 120));
    let old = find(Terms { since: now.saturating_add(Duration::from_secs(60)), ..terms() }).await;
    assert_eq!((old.missing.len(), old.recent), (0, 0));
    emulator.stop().await;
}

#[tokio::test]
async fn requests_are_repeated_while_that_may_help_and_the_key_stays_hidden() {
    let answers = [(429, true), (503, true), (200, false)];
    let mut answers = answers.into_iter();
    let backend = Backend::scripted(move |seen| {
        assert_eq!(seen.header("x-goog-api-key"), Some("s3cret"));
        let (status, asks) = answers.next().unwrap_or((401, false));
        let after = if asks { "retry-after: 0\r\n" } else { "" };
        Answer::Raw(format!("HTTP/1.1 {status} X\r\n{after}content-length: 2\r\n\r\n{{}}"))
    })
    .await;
    let api = api(&format!("http://{}", backend.address()), "s3cret");
    assert_eq!(api.webhooks().await, Ok(vec![]));
    assert_eq!(backend.seen().len(), 3);
    let error = api.webhooks().await.unwrap_err();
    assert!(matches!(error, ApiError::Key(401, _)), "{error}");
    assert_eq!(backend.seen().len(), 4);
    assert!(!format!("{api:?}").contains("s3cret"));
}
