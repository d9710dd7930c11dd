//! The commands for the inbox: list, show, redeliver, discard, pause and resume, with an SQLite file.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{
    Answer, Backend, Gateway, Reply, Running, SOURCE, Wire, command, delivery, finished, free_address, get, route,
    route_to, until,
};

const WIRE: Wire = Wire::Http1Length;
const STORE: &str = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";
/// A delivery is a dead letter after its first attempt, more or less.
const BRIEF: &str = "delivery = \"inbox\"\nredelivery = { first = \"1ms\", for = \"1ms\" }";
const LIST: &str = "/-/inbox/deliveries";

async fn enqueue(gateway: &Gateway, ids: &[&str]) {
    for id in ids {
        let sent = delivery(id, "{\"type\":\"batch.failed\"}").add("x-tag", "one");
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    }
}

async fn ask(gateway: &Gateway, method: Method, path: &str) -> (StatusCode, Value) {
    let reply = local(gateway, method, path).await;
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
}

async fn local(gateway: &Gateway, method: Method, path: &str) -> Reply {
    command(gateway.admin, method, path, None).await
}

/// The deliveries that a query selects, newest first.
async fn list(gateway: &Gateway, query: &str) -> Vec<Value> {
    let (status, page) = ask(gateway, Method::GET, &format!("{LIST}?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}");
    page["deliveries"].as_array().expect("a list").clone()
}

fn ids(deliveries: &[Value]) -> Vec<&str> {
    deliveries.iter().map(|one| one["message_id"].as_str().expect("an id")).collect()
}

/// A gateway in which these messages are dead letters.
async fn with_dead_letters(server: &str, backend: &Backend, sent: &[&str]) -> Gateway {
    let gateway = Gateway::start_with(server, &[STORE, SOURCE, &route(backend, BRIEF)].concat(), &[]).await;
    enqueue(&gateway, sent).await;
    until("all are dead", async || list(&gateway, "state=dead").await.len() == sent.len()).await;
    gateway
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_filtered_and_paged() {
    let backend = Backend::scripted(|_| Answer::Status(500)).await;
    let gateway = with_dead_letters("", &backend, &["msg_1", "msg_2", "msg_3"]).await;
    assert_eq!(ids(&list(&gateway, "").await), ["msg_3", "msg_2", "msg_1"]);
    for (query, expected) in [
        ("state=dead", 3),
        ("state=done", 0),
        ("source=test&type=batch.failed&destination=%2Fhook", 3),
        ("source=other", 0),
        ("id=msg_2", 1),
        ("destination=/other", 0),
        ("received_from=2000-01-01T00:00:00Z", 3),
        ("received_before=946684800", 0),
    ] {
        assert_eq!(list(&gateway, query).await.len(), expected, "{query}");
    }
    let (_, first) = ask(&gateway, Method::GET, &format!("{LIST}?limit=2")).await;
    let next = first["next"].as_u64().expect("there is more");
    assert_eq!(ids(first["deliveries"].as_array().expect("a list")), ["msg_3", "msg_2"]);
    let (_, last) = ask(&gateway, Method::GET, &format!("{LIST}?limit=2&older_than={next}")).await;
    assert_eq!((ids(last["deliveries"].as_array().expect("a list")), &last["next"]), (vec!["msg_1"], &Value::Null));
    let one = &list(&gateway, "id=msg_1").await[0];
    assert_eq!(
        (&one["state"], &one["last_error"], &one["destination"]),
        (&json!("dead"), &json!("status 500"), &json!("/hook"))
    );
    for query in ["stat=dead", "state=lost", "limit=1001"] {
        let reply = local(&gateway, Method::GET, &format!("{LIST}?{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_delivery_is_shown_with_its_headers_and_its_body_only_if_allowed() {
    for (server, body) in [("", None), ("inbox_bodies = true", Some("{\"type\":\"batch.failed\"}"))] {
        let backend = Backend::start().await;
        let gateway = Gateway::start_with(server, &[STORE, SOURCE, &route(&backend, BRIEF)].concat(), &[]).await;
        enqueue(&gateway, &["msg_1"]).await;
        until("it is done", async || list(&gateway, "state=done").await.len() == 1).await;
        let number = &list(&gateway, "").await[0]["number"];
        let (status, shown) = ask(&gateway, Method::GET, &format!("{LIST}/{number}")).await;
        assert_eq!((status, shown["body"].as_str(), &shown["body_length"]), (StatusCode::OK, body, &json!(23)));
        assert_eq!((&shown["path"], &shown["attempts"]), (&json!("/hook"), &json!(1)));
        let headers = shown["headers"].as_array().expect("a list");
        assert!(headers.contains(&json!(["x-tag", "one"])), "{headers:?}");
        assert!(headers.contains(&json!(["webhook-signature", "(hidden)"])), "{headers:?}");
        for (path, status) in [("/999", 404), ("/x", 400), ("/9223372036854775808", 400)] {
            assert_eq!(local(&gateway, Method::GET, &format!("{LIST}{path}")).await.status, status, "{path}");
        }
    }
}

#[tokio::test]
async fn dead_letters_are_delivered_again_one_or_many() {
    let works = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&works);
    let script = move |_: &_| Answer::Status(if state.load(Ordering::SeqCst) { 200 } else { 500 });
    let backend = Backend::scripted(script).await;
    let gateway = with_dead_letters("", &backend, &["msg_1", "msg_2", "msg_3"]).await;
    works.store(true, Ordering::SeqCst);
    let before = backend.seen().len();
    let number = &list(&gateway, "id=msg_2").await[0]["number"];
    let (status, result) = ask(&gateway, Method::POST, &format!("{LIST}/{number}/redeliver")).await;
    assert_eq!((status, result), (StatusCode::OK, json!({ "redelivered": 1 })));
    let again = backend.has_seen(before + 1).await;
    assert_eq!((again.id(), again.header("countersign-attempt")), ("msg_2", Some("1")));
    until("it is done", async || ids(&list(&gateway, "state=done").await) == ["msg_2"]).await;
    // Without a state, only dead letters.
    let (_, result) = ask(&gateway, Method::POST, "/-/inbox/redeliver?source=test").await;
    assert_eq!(result, json!({ "redelivered": 2, "next": null }));
    until("all are done", async || list(&gateway, "state=done").await.len() == 3).await;
    let (_, result) = ask(&gateway, Method::POST, "/-/inbox/redeliver?state=done&limit=1").await;
    assert_eq!(result["redelivered"], 1);
    assert_eq!(backend.has_seen(before + 4).await.id(), "msg_3");
    assert_eq!(local(&gateway, Method::POST, &format!("{LIST}/999/redeliver")).await.status, StatusCode::NOT_FOUND);
    let (_, result) = ask(&gateway, Method::POST, "/-/inbox/discard?destination=%2Fhook").await;
    assert_eq!(result["discarded"], 0, "without a state, only dead letters");
    let (_, result) = ask(&gateway, Method::POST, "/-/inbox/discard?state=done&id=msg_2").await;
    assert_eq!(result, json!({ "discarded": 1, "next": null }));
    assert!(gateway.output().contains("delivers a message again"), "{}", gateway.output());
}

#[tokio::test]
async fn a_discarded_delivery_never_reaches_the_backend_and_its_id_is_remembered() {
    let address = free_address();
    let more = "delivery = \"inbox\"\nredelivery = { first = \"1h\", max = \"1h\" }";
    let mut gateway = Gateway::start(&[STORE, SOURCE, &route_to(&[address], more)].concat()).await;
    enqueue(&gateway, &["msg_1", "msg_2"]).await;
    until("both have failed", async || {
        list(&gateway, "state=waiting").await.iter().filter(|one| one["attempts"] == 1).count() == 2
    })
    .await;
    let number = &list(&gateway, "id=msg_1").await[0]["number"];
    let path = format!("{LIST}/{number}");
    assert_eq!(ask(&gateway, Method::DELETE, &path).await, (StatusCode::OK, json!({ "discarded": 1 })));
    assert_eq!(local(&gateway, Method::DELETE, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    gateway.kill();
    gateway.restart().await;
    let backend = Backend::at(address, |_| Answer::Status(200)).await;
    let (_, result) = ask(&gateway, Method::POST, "/-/inbox/redeliver?state=waiting").await;
    assert_eq!(result["redelivered"], 1);
    assert_eq!(backend.has_seen(1).await.id(), "msg_2");
    until("the other is done", async || ids(&list(&gateway, "").await) == ["msg_2"]).await;
}

#[tokio::test]
async fn a_delivery_that_is_being_attempted_is_left_alone() {
    let (backend, tell) = Backend::holding().await;
    let gateway = Gateway::start(&[STORE, SOURCE, &route(&backend, BRIEF)].concat()).await;
    enqueue(&gateway, &["msg_1"]).await;
    backend.has_seen(1).await;
    let number = &list(&gateway, "state=leased").await[0]["number"];
    for (method, path) in [(Method::DELETE, ""), (Method::POST, "/redeliver")] {
        let reply = local(&gateway, method, &format!("{LIST}/{number}{path}")).await;
        assert_eq!(reply.status, StatusCode::CONFLICT);
    }
    tell.send(200).expect("the attempt goes on");
    until("it is done", async || list(&gateway, "state=done").await.len() == 1).await;
}

#[tokio::test]
async fn a_paused_destination_gets_nothing_until_it_is_resumed_also_after_a_restart() {
    let (backend, other) = (Backend::start().await, Backend::start().await);
    let second = route(&other, BRIEF).replace("\"/hook\"", "\"/other\"");
    let mut gateway = Gateway::start(&[STORE, SOURCE, &route(&backend, BRIEF), &second].concat()).await;
    let change = async |gateway: &Gateway, change: &str| {
        ask(gateway, Method::POST, &format!("/-/inbox/destinations/{change}")).await
    };
    let paused = |is: bool| (StatusCode::OK, json!({ "name": "/hook", "paused": is }));
    assert_eq!(change(&gateway, "%2Fhook/pause").await, paused(true));
    assert_eq!(change(&gateway, "%2Funknown/pause").await.0, StatusCode::NOT_FOUND);
    enqueue(&gateway, &["msg_1"]).await;
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    // The new state delivers, but not to this destination.
    assert_eq!(gateway.send(&delivery("msg_2", "{}").to("/other"), WIRE).await.status, StatusCode::ACCEPTED);
    until("the other one is done", async || ids(&list(&gateway, "state=done").await) == ["msg_2"]).await;
    assert!(gateway.output().contains("paused a destination"), "{}", gateway.output());
    gateway.kill();
    gateway.restart().await;
    let (_, shown) = ask(&gateway, Method::GET, "/-/inbox/destinations").await;
    let one = &shown["destinations"][0];
    let oldest = one["oldest"].as_str().expect("a time");
    let entry = |name: &str, paused: bool, waiting: u64, oldest: Option<&str>| {
        json!({ "name": name, "configured": true, "paused": paused, "failing": false, "waiting": waiting, "leased": 0,
                "dead": 0, "oldest": oldest })
    };
    let expected = json!([entry("/hook", true, 1, Some(oldest)), entry("/other", false, 0, None)]);
    assert_eq!(shown["destinations"], expected);
    assert_eq!((list(&gateway, "state=waiting").await[0]["attempts"].clone(), backend.seen().len()), (json!(0), 0));
    assert_eq!(change(&gateway, "%2Fhook/resume").await, paused(false));
    assert_eq!(backend.has_seen(1).await.id(), "msg_1");
}

#[tokio::test]
async fn only_those_that_may_send_commands_see_deliveries() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&[STORE, SOURCE, &route(&backend, BRIEF)].concat()).await;
    // The host of this request is a name, as it is in a web page that resolves to a loopback address.
    let reply = get(gateway.admin, LIST).await.expect("a response");
    assert_eq!(reply.status, StatusCode::FORBIDDEN);

    let folder = tempfile::tempdir().expect("a folder");
    let (file, token) = (folder.path().join("token"), "0123456789abcdef");
    std::fs::write(&file, token).expect("a file");
    let server = format!("admin_token = {{ file = \"{}\" }}", file.display());
    let gateway = Gateway::start_with(&server, &[STORE, SOURCE, &route(&backend, BRIEF)].concat(), &[]).await;
    for (method, path) in [
        (Method::GET, LIST.to_owned()),
        (Method::GET, format!("{LIST}/1")),
        (Method::DELETE, format!("{LIST}/1")),
        (Method::POST, format!("{LIST}/1/redeliver")),
        (Method::POST, "/-/inbox/redeliver".to_owned()),
        (Method::POST, "/-/inbox/discard".to_owned()),
        (Method::GET, "/-/inbox/destinations".to_owned()),
        (Method::POST, "/-/inbox/destinations/%2Fhook/pause".to_owned()),
        (Method::POST, "/-/inbox/destinations/%2Fhook/resume".to_owned()),
    ] {
        let reply = command(gateway.admin, method.clone(), &path, None).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        let reply = command(gateway.admin, method.clone(), &path, Some(token)).await;
        assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn without_an_inbox_the_commands_say_what_is_missing() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let reply = local(&gateway, Method::GET, LIST).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert!(String::from_utf8_lossy(&reply.body).contains("[store]"));
}

#[tokio::test]
async fn the_host_may_be_named_as_http2_does() {
    let backend = Backend::start().await;
    let gateway = Gateway::start_with("", &[STORE, SOURCE, &route(&backend, BRIEF)].concat(), &[]).await;
    let port = gateway.admin.port();
    for (name, status) in [("127.0.0.1", "200"), ("localhost", "200"), ("rebound.example", "403")] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"])
            .args(["--max-time", "10", "--http2-prior-knowledge", "--resolve", &format!("{name}:{port}:127.0.0.1")])
            .arg(format!("http://{name}:{port}{LIST}"));
        let output = finished(&mut curl);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("2 {status}"), "{name}: {output:?}");
    }
}
