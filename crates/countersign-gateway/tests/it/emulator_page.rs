//! The emulator's inspector in a real browser. It is here beside the other one, with which it shares its frame.

use std::collections::BTreeSet;

use countersign_emulator::{Config, Emulator};
use serde_json::{Value, json};

use crate::common::{Answer, Backend, Raw};
use crate::inspector::browse;

/// A response whose body attacks the page that shows it.
fn attack() -> Answer {
    let body = "</td><script>attacked=1</script>";
    Answer::Raw(format!("HTTP/1.1 500 No\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test]
async fn every_control_of_the_emulators_page_works_in_a_browser() {
    let mut failed = BTreeSet::new();
    let backend = Backend::scripted(move |seen| {
        let body = String::from_utf8_lossy(&seen.body);
        if body.contains("<img") {
            return attack();
        }
        let is_first = body.contains("batch.failed") && failed.insert(seen.id().to_owned());
        Answer::Status(if is_first { 500 } else { 200 })
    })
    .await;
    let config = Config { listen: "127.0.0.1:0".parse().expect("an address"), ..Config::default() };
    let emulator = Emulator::start(config, None).await.expect("an emulator");
    let url = emulator.base_url().to_owned();
    let address = url.strip_prefix("http://").expect("http").parse().expect("an address");
    let webhook = json!({
        "uri": format!("http://{}/", backend.address()),
        "subscribed_events": ["batch.succeeded", "batch.failed", "video.generated"],
    })
    .to_string();
    let mut raw = Raw::open(address).await;
    let (key, length) = (Config::API_KEY, webhook.len());
    raw.write(format!(
        "POST /v1/webhooks HTTP/1.1\r\nhost: {address}\r\nx-goog-api-key: {key}\r\ncontent-length: {length}\r\n\r\n{webhook}"
    ))
    .await;
    let made = raw.answer().await.expect("a response");
    let made: Value = serde_json::from_slice(&made.body).expect("JSON");
    let output = browse("emulator.cjs", &url, made["id"].as_str().expect("an id")).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(backend.seen().len() >= 6, "{}", backend.seen().len());
    emulator.stop().await;
}
