//! `pull`: backends that the gateway cannot reach lease deliveries, and say what became of them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::clock::{Clock, SystemClock};
use countersign_test::process::Process;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{Gateway, Running, SOURCE, Wire, command, delivery, free_address, until};

const WIRE: Wire = Wire::Http1Length;
const TOKEN: &str = "0123456789abcdef-pull";
const OTHER: &str = "fedcba9876543210-pull";

/// A gateway with the pulled destinations `a` and `b`, and the address of its listener for them.
async fn gateway(more: &str) -> (Gateway, SocketAddr) {
    let address = free_address();
    let pulled = |name: &str, variable: &str| {
        format!("[[routes.destinations]]\nname = \"{name}\"\npull = {{ token = {{ env = \"{variable}\" }} }}\n{more}\n")
    };
    let config = format!(
        "pull = \"{address}\"\n[store]\nengine = \"sqlite\"\npath = \"store.db\"\n{SOURCE}[[routes]]\npath = \"/hook\"\n\
         source = \"test\"\ndelivery = \"inbox\"\nredelivery = {{ first = \"1ms\", max = \"1ms\" }}\n{}{}",
        pulled("a", "PULL_A"),
        pulled("b", "PULL_B")
    );
    (Gateway::start_in(&[("PULL_A", TOKEN), ("PULL_B", OTHER)], &config).await, address)
}

/// Sends JSON to the listener with `curl`, another client than the gateway's own.
fn post(address: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args(["-s", "--max-time", "60", "-w", "\n%{http_code}", "-H", "content-type: application/json"]);
    if let Some(token) = token {
        curl.args(["-H", &format!("authorization: Bearer {token}")]);
    }
    let url = format!("http://{address}/v1/destinations/{path}");
    let output = curl.args(["-d", &body.to_string(), &url]).output().expect("curl runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.parse().expect("a number"), serde_json::from_str(body).unwrap_or_default())
}

async fn lease(address: SocketAddr, body: Value) -> Vec<Value> {
    let asked = tokio::task::spawn_blocking(move || post(address, "a/lease", Some(TOKEN), &body));
    let (status, found) = asked.await.expect("no panic");
    assert_eq!(status, 200, "{found}");
    found["deliveries"].as_array().expect("a list").clone()
}

fn acknowledge(address: SocketAddr, destination: &str, token: &str, result: &Value) -> bool {
    let (status, found) = post(address, &format!("{destination}/ack"), Some(token), &json!({ "results": [result] }));
    assert_eq!(status, 200, "{found}");
    found["results"][0]["recorded"].as_bool().expect("a result")
}

async fn send(gateway: &Gateway, id: &str) {
    let sent = delivery(id, "{\"type\":\"batch.failed\"}").add("x-tag", "one");
    assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
}

async fn states(gateway: &Gateway, destination: &str) -> Vec<String> {
    let path = format!("/-/inbox/deliveries?destination={destination}");
    let reply = command(gateway.admin, Method::GET, &path, None).await;
    let page: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let all = page["deliveries"].as_array().expect("a list");
    all.iter().map(|one| one["state"].as_str().expect("a state").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_leased_as_they_would_be_sent_and_acknowledged() {
    let (gateway, address) = gateway("").await;
    assert_eq!(lease(address, json!({})).await, Vec::<Value>::new());
    send(&gateway, "msg_1").await;
    let leased = &lease(address, json!({ "wait": 30 })).await[0];
    assert_eq!(
        (&leased["message_id"], &leased["attempt"], &leased["path"]),
        (&json!("msg_1"), &json!(1), &json!("/hook"))
    );
    let body = STANDARD.decode(leased["body_base64"].as_str().expect("a body")).expect("Base64");
    assert_eq!(body, b"{\"type\":\"batch.failed\"}");
    let headers = leased["headers"].as_array().expect("headers");
    for header in [["x-tag", "one"], ["countersign-verdict", "verified"], ["countersign-attempt", "1"]] {
        assert!(headers.contains(&json!(header)), "{header:?} is not in {headers:?}");
    }
    let receipt = &leased["receipt"];
    // Not by another destination, not with another receipt, and once only.
    assert!(!acknowledge(address, "b", OTHER, &json!({ "receipt": receipt, "result": "done" })));
    assert!(!acknowledge(address, "a", TOKEN, &json!({ "receipt": "999-1", "result": "done" })));
    assert_eq!(
        (states(&gateway, "a").await, states(&gateway, "b").await),
        (vec!["leased".into()], vec!["waiting".into()])
    );
    assert!(acknowledge(address, "a", TOKEN, &json!({ "receipt": receipt, "result": "done" })));
    assert!(!acknowledge(address, "a", TOKEN, &json!({ "receipt": receipt, "result": "dead" })));
    assert_eq!(states(&gateway, "a").await, ["done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_due_again_and_hopeless_ones_are_dead_letters() {
    let (gateway, address) = gateway("").await;
    send(&gateway, "msg_1").await;
    let first = lease(address, json!({ "wait": 30, "lease": 1 })).await[0].clone();
    // The lease ends without a result.
    let second = lease(address, json!({ "wait": 30 })).await[0].clone();
    assert_eq!((&second["message_id"], &second["attempt"]), (&first["message_id"], &json!(2)));
    let failed = |receipt: &Value, result: &str| json!({ "receipt": receipt, "result": result, "error": "no room" });
    assert!(!acknowledge(address, "a", TOKEN, &failed(&first["receipt"], "retry")));
    assert!(acknowledge(address, "a", TOKEN, &failed(&second["receipt"], "retry")));
    let third = lease(address, json!({ "wait": 30 })).await[0].clone();
    assert!(acknowledge(address, "a", TOKEN, &failed(&third["receipt"], "dead")));
    assert_eq!(states(&gateway, "a").await, ["dead"]);
    let metric = |result: &str| {
        format!("countersign_inbox_attempts_total{{route=\"/hook\",destination=\"a\",result=\"{result}\"}}")
    };
    assert_eq!(gateway.metric(&metric("retry")).await, Some(1.0));
    assert_eq!(gateway.metric(&metric("dead")).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_backend_gets_a_message_at_once_and_none_while_it_is_paused() {
    let (gateway, address) = gateway("").await;
    let start = SystemClock.instant();
    let waiting = tokio::spawn(lease(address, json!({ "wait": 60 })));
    tokio::time::sleep(Duration::from_millis(300)).await;
    send(&gateway, "msg_1").await;
    assert_eq!(waiting.await.expect("no panic").len(), 1);
    assert!(SystemClock.instant().duration_since(start) < Duration::from_secs(5), "it does not wait for the next look");
    command(gateway.admin, Method::POST, "/-/inbox/destinations/a/pause", None).await;
    send(&gateway, "msg_2").await;
    assert_eq!(lease(address, json!({ "wait": 1 })).await, Vec::<Value>::new());
    command(gateway.admin, Method::POST, "/-/inbox/destinations/a/resume", None).await;
    assert_eq!(lease(address, json!({ "wait": 30 })).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_without_the_token_or_to_a_wrong_request() {
    let (gateway, address) = gateway("").await;
    send(&gateway, "msg_1").await;
    for (path, token) in [
        ("a/lease", None),
        ("a/lease", Some(OTHER)),
        ("a/ack", None),
        ("none/lease", Some(TOKEN)),
        ("none/lease", None),
    ] {
        let (status, body) = post(address, path, token, &json!({}));
        assert_eq!((status, body), (401, Value::Null), "{path} {token:?}");
    }
    for body in [
        json!({ "max": 0 }),
        json!({ "max": 101 }),
        json!({ "wait": 61 }),
        json!({ "lease": 0 }),
        json!({ "lease": 3601 }),
        json!({ "most": 1 }),
        json!([]),
    ] {
        assert_eq!(post(address, "a/lease", Some(TOKEN), &body).0, 400, "{body}");
    }
    for body in [json!({}), json!({ "results": [] }), json!({ "results": [{ "receipt": "1-1", "result": "lost" }] })] {
        assert_eq!(post(address, "a/ack", Some(TOKEN), &body).0, 400, "{body}");
    }
    assert_eq!(states(&gateway, "a").await, ["waiting"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_fetches_messages() {
    let (gateway, address) = gateway("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pull-backend/pull.py");
    let _backend = Process::spawn(
        Command::new("python3")
            .arg(script)
            .env("GATEWAY", format!("http://{address}"))
            .env("DESTINATION", "a")
            .env("TOKEN", TOKEN)
            .stdout(std::fs::File::create(&output).expect("a file"))
            .stderr(Stdio::inherit()),
    );
    for id in ["msg_1", "msg_2"] {
        send(&gateway, id).await;
    }
    assert_eq!(gateway.send(&delivery("msg_3", "not JSON"), WIRE).await.status, StatusCode::ACCEPTED);
    until("two are done", async || states(&gateway, "a").await.iter().filter(|state| *state == "done").count() == 2)
        .await;
    let printed = std::fs::read_to_string(&output).expect("a file");
    assert!(printed.contains("msg_1 batch.failed") && printed.contains("msg_2 batch.failed"), "{printed}");
    assert!(!printed.contains("msg_3"), "{printed}");
}
