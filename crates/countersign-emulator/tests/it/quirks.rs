//! Quirks: the emulator does what was seen in the real service, and only if that is configured.

use countersign_emulator::{Config, Quirk};
use serde_json::{Value, json};

use crate::common::{Api, Receiver, config, text};

async fn with(quirks: impl IntoIterator<Item = Quirk>) -> Api {
    Api::start(Config { quirks: quirks.into_iter().collect(), ..config() }).await
}

async fn create_batch(api: &Api, webhook_config: Value) -> (u16, Value) {
    let request = json!({ "request": { "contents": [{ "parts": [{ "text": "hello" }] }] } });
    let batch = json!({ "batch": {
        "inputConfig": { "requests": { "requests": [request] } },
        "webhookConfig": webhook_config,
    }});
    api.call("POST", "/v1/models/gemini-test:batchGenerateContent", &batch).await
}

#[tokio::test]
async fn a_batch_with_user_metadata_is_rejected() {
    let config = json!({ "uris": ["http://127.0.0.1:1/"], "userMetadata": { "a": 1 } });
    let (plain, quirky) = (with([]).await, with([Quirk::RejectBatchUserMetadata]).await);
    assert_eq!(create_batch(&plain, config.clone()).await.0, 200);
    let (status, error) = create_batch(&quirky, config).await;
    let message = text(&error["error"]["message"]);
    assert_eq!(status, 400);
    assert!(message.contains(r#"Unknown name "userMetadata" at 'batch.webhook_config'"#), "{message}");
    assert_eq!(create_batch(&quirky, json!({ "uris": ["http://127.0.0.1:1/"] })).await.0, 200);
}

#[tokio::test]
async fn webhooks_that_are_read_have_no_times() {
    for (api, has_times) in [(with([]).await, true), (with([Quirk::EmptyTimes]).await, false)] {
        let webhook = json!({ "uri": "http://127.0.0.1:1/", "subscribed_events": ["batch.failed"] });
        let created = api.ok("POST", "/v1/webhooks", webhook).await;
        let path = format!("/v1/webhooks/{}", text(&created["id"]));
        api.ok("POST", &format!("{path}:rotateSigningSecret"), Value::Null).await;
        assert!(created["create_time"].is_string(), "{created}");
        let listed = api.ok("GET", "/v1/webhooks", Value::Null).await["webhooks"][0].take();
        for read in [api.ok("GET", &path, Value::Null).await, listed] {
            let times = [&read["create_time"], &read["update_time"], &read["signing_secrets"][0]["expire_time"]];
            assert_eq!(times.map(Value::is_string), [has_times; 3], "{read}");
            assert!(read["signing_secrets"][0]["truncated_secret"].is_string(), "{read}");
        }
    }
}

#[tokio::test]
async fn ids_of_batches_have_a_prefix() {
    let (api, receiver) = (with([Quirk::PrefixedIds]).await, Receiver::start().await);
    api.register(&receiver.uri, &["batch.succeeded"]).await;
    api.emit(json!({ "type": "batch.succeeded" })).await;
    let (_, created) = create_batch(&api, Value::Null).await;
    let name = text(&created["name"]);
    api.advance("2s").await;
    let seen = receiver.has_seen(2).await;
    for seen in &seen {
        let id = text(&seen.json()["data"]["id"]);
        assert!(id.starts_with("batches/batch_"), "{id}");
    }
    assert!(seen.iter().any(|seen| seen.json()["data"]["id"] == name.as_str()), "{name}");
    assert_eq!(api.ok("GET", &format!("/v1/{name}"), Value::Null).await["done"], true);
    let overview = api.ok("GET", "/_emulator", Value::Null).await;
    assert_eq!(overview["quirks"], json!(["prefixed_ids"]));
}
