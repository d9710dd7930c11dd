//! Sight and control: what `/_emulator` shows and does, and whom it does it for.

use crate::common::{Api, Receiver, config, soon, text, until};
use countersign_emulator::{Config, ConfigError, Emulator, StartError};
use countersign_test::wire::Raw;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const KEY: (&str, &str) = ("x-goog-api-key", "test");

#[tokio::test]
async fn deliveries_can_be_looked_at_page_by_page_and_one_by_one() {
    let (api, receiver) = (Api::start(config()).await, Receiver::start().await);
    api.register(&receiver.uri, &["batch.failed"]).await;
    let made = api.emit(json!({ "type": "batch.failed", "count": 5, "data": { "id": "batches/mine" } })).await;
    api.ended("delivered", 5).await;
    let mut ids = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/_emulator/deliveries?status=delivered&page_size=2&page_token={token}");
        let page = api.ok("GET", &path, Value::Null).await;
        let found = page["deliveries"].as_array().expect("a list").clone();
        assert!((1..=2).contains(&found.len()), "{page}");
        ids.extend(found.iter().map(|delivery| delivery["id"].clone()));
        match &page["next_page_token"] {
            Value::Null => break,
            next => token = text(next),
        }
    }
    assert_eq!(Value::Array(ids), made["ids"]);
    let path = "/_emulator/deliveries?status=waiting";
    assert_eq!(api.ok("GET", path, Value::Null).await["deliveries"], json!([]));

    let delivery = api.ok("GET", &format!("/_emulator/deliveries/{}", text(&made["ids"][0])), Value::Null).await;
    let attempt = &delivery["attempts"][0];
    assert_eq!((&delivery["event_type"], &delivery["uri"]), (&"batch.failed".into(), &receiver.uri.clone().into()));
    assert_eq!((&attempt["scheme"], &attempt["answer"]["status"]), (&"v1".into(), &200.into()));
    assert!(text(&attempt["keys"][0]).starts_with("whsec_..."), "{attempt}");
    assert!(attempt["latency_ms"].is_u64());
    assert!(text(&delivery["body"]).contains(r#""data":{"id":"batches/mine"}"#));
}

#[tokio::test]
async fn one_can_be_delivered_again_by_hand() {
    let (api, receiver) = (Api::start(config()).await, Receiver::start().await);
    api.register(&receiver.uri, &["batch.failed"]).await;
    let made = api.emit(json!({ "type": "batch.failed" })).await;
    api.ended("delivered", 1).await;
    let path = format!("/_emulator/deliveries/{}:redeliver", text(&made["ids"][0]));
    api.ok("POST", &path, Value::Null).await;
    let seen = receiver.has_seen(2).await;
    assert_eq!(seen[0].id(), seen[1].id());
    api.ended("delivered", 2).await;
    let (status, answer) = api.call("POST", "/_emulator/deliveries/msg_none:redeliver", &Value::Null).await;
    assert_eq!((status, &answer["error"]["status"]), (404, &"NOT_FOUND".into()));
}

#[tokio::test]
async fn the_inspector_lists_webhooks_and_rotates_their_secrets() {
    let (api, receiver) = (Api::start(config()).await, Receiver::start().await);
    api.register(&receiver.uri, &["batch.failed"]).await;
    let listed = api.ok("GET", "/_emulator/webhooks", Value::Null).await;
    let [webhook] = &listed["webhooks"].as_array().expect("a list")[..] else { panic!("one webhook: {listed}") };
    assert_eq!(webhook["resource"]["uri"], receiver.uri.clone());
    let (project, id) = (&webhook["project"], text(&webhook["resource"]["id"]));
    let path = format!("/_emulator/webhooks/{project}/{id}:rotate_secret");
    let rotated = api.ok("POST", &path, json!({})).await;
    assert!(text(&rotated["secret"]).starts_with("whsec_"), "{rotated}");
    let listed = api.ok("GET", "/_emulator/webhooks", Value::Null).await;
    assert_eq!(listed["webhooks"][0]["resource"]["signing_secrets"].as_array().map(Vec::len), Some(2));
    for (path, status) in [
        (format!("/_emulator/webhooks/99/{id}:rotate_secret"), 404),
        (format!("/_emulator/webhooks/{project}/none:rotate_secret"), 404),
        (format!("/_emulator/webhooks/{project}/{id}:ping"), 404),
        (format!("/_emulator/webhooks/x/{id}:rotate_secret"), 400),
    ] {
        assert_eq!(api.call("POST", &path, &json!({})).await.0, status, "{path}");
    }
    let mut raw = Raw::open(api.address).await;
    raw.write(format!("GET /_emulator/inspect HTTP/1.1\r\nhost: {}\r\n\r\n", api.address)).await;
    let page = raw.answer().await.expect("a response");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(page.status == 200 && policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
}

#[tokio::test]
async fn the_same_seed_makes_the_same_names_secrets_and_keys() {
    let made = async || {
        let api = Api::start(config()).await;
        let (id, secret) = api.register("http://127.0.0.1:1/", &["batch.failed"]).await;
        let keys = api.ok("GET", "/.well-known/jwks.json", Value::Null).await;
        let ed25519: Vec<_> = keys["keys"].as_array().expect("keys")[..3].to_vec();
        (id, secret, ed25519)
    };
    assert_eq!(made().await, made().await);
}

#[tokio::test]
async fn a_webhook_that_is_registered_from_the_start_has_its_project() {
    let receiver = Receiver::start().await;
    let webhooks = vec![receiver.uri.parse().expect("an address")];
    let api = Api::start(Config { webhooks, ..config() }).await;
    let (uri, secret) = api.emulator.webhooks().next().expect("one");
    assert_eq!(uri.to_string(), receiver.uri);
    assert!(secret.starts_with("whsec_"));
    let (_, list) = api.call_with("GET", "/v1beta/webhooks", "", &[("x-goog-api-key", Config::API_KEY)]).await;
    assert_eq!(list["webhooks"][0]["subscribed_events"].as_array().map(Vec::len), Some(9));
    let (_, other) = api.call("GET", "/v1/webhooks", &Value::Null).await;
    assert_eq!(other, json!({ "webhooks": [] }));
    // By hand it happens to all projects, unless one is named.
    api.register("http://127.0.0.1:1/", &["batch.failed"]).await;
    assert_eq!(api.emit(json!({ "type": "batch.failed", "project": 1 })).await["deliveries"], 1);
    assert_eq!(api.emit(json!({ "type": "batch.failed" })).await["deliveries"], 2);
    assert_eq!(api.emit(json!({ "type": "made.up" })).await["deliveries"], 2);
    receiver.has_seen(3).await;
}

#[tokio::test]
async fn what_would_open_more_deliveries_than_may_be_open_is_refused() {
    let api = Api::start(Config { max_open_deliveries: 10, ..config() }).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let uri = format!("http://{}/", silent.local_addr().expect("a bound listener"));
    let (status, answer) =
        api.call("POST", "/_emulator/events:emit", &json!({ "type": "x", "count": 11, "uris": [uri] })).await;
    assert_eq!((status, &answer["error"]["status"]), (429, &"RESOURCE_EXHAUSTED".into()));
    let (status, _) =
        api.call("POST", "/_emulator/events:emit", &json!({ "type": "x", "count": u64::MAX, "uris": [uri] })).await;
    assert_eq!(status, 429);
    api.emit(json!({ "type": "x", "count": 10, "uris": [uri] })).await;
    let interaction = json!({ "model": "m", "input": "hello", "background": true });
    let interaction = interaction.to_string();
    let mut raw = Raw::open(api.address).await;
    let head = format!("POST /v1/interactions HTTP/1.1\r\nhost: {}\r\nx-goog-api-key: test\r\n", api.address);
    raw.write(format!("{head}content-length: {}\r\n\r\n{interaction}", interaction.len())).await;
    let reply = raw.answer().await.expect("a response");
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (429, Some("10")));
}

#[tokio::test]
async fn every_delivery_that_an_event_leads_to_counts() {
    let api = Api::start(Config { max_open_deliveries: 30, ..config() }).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let uri = format!("http://{}/", silent.local_addr().expect("a bound listener"));
    let emit = async |event: &Value| api.call("POST", "/_emulator/events:emit", event).await.0;
    let many = json!({ "type": "x", "count": 4, "uris": vec![&uri; 10] });
    assert_eq!(emit(&many).await, 429);
    assert_eq!(emit(&json!({ "type": "x", "uris": vec![&uri; 11] })).await, 400);
    api.ok("POST", "/_emulator/faults", json!({ "burst": 1 })).await;
    assert_eq!(emit(&json!({ "type": "x", "uris": vec![&uri; 4] })).await, 429);
    for _ in 0..2 {
        api.register(&uri, &["batch.succeeded"]).await;
    }
    assert_eq!(emit(&json!({ "type": "batch.succeeded", "count": 2 })).await, 429);
    assert_eq!(api.emulator.totals().deliveries, 0);

    // Nobody can be told that a job's event has no room, but it is counted: 2 fit, each ten times over.
    api.ok("POST", "/_emulator/faults", json!({ "burst": "100%" })).await;
    for _ in 0..3 {
        let batch = json!({ "batch": { "input_config": { "file_name": "files/a" } } });
        api.ok("POST", "/v1/models/m:batchGenerateContent", batch).await;
    }
    api.advance("2s").await;
    let overview = api.ok("GET", "/_emulator", Value::Null).await;
    assert_eq!((&overview["deliveries"], &overview["events_without_room"]), (&30.into(), &15.into()));
}

#[tokio::test]
async fn whoever_only_looks_leaves_no_project_behind() {
    let api = Api::start(config()).await;
    for key in 0..1001 {
        let (status, list) = api.call_with("GET", &format!("/v1/webhooks?key=a{key}"), "", &[]).await;
        assert_eq!((status, list), (200, json!({ "webhooks": [] })));
    }
    assert_eq!(api.call_with("DELETE", "/v1/webhooks/none?key=b", "", &[]).await.0, 404);
    assert_eq!(api.call_with("PATCH", "/v1/webhooks/none?key=b", "{}", &[]).await.0, 404);
    api.register("http://127.0.0.1:1/", &["batch.failed"]).await;
}

#[tokio::test]
async fn only_the_last_deliveries_that_ended_are_kept() {
    let (api, receiver) = (Api::start(Config { keep_ended_deliveries: 3, ..config() }).await, Receiver::start().await);
    let made = api.emit(json!({ "type": "x", "count": 20, "uris": [receiver.uri] })).await;
    api.ended("delivered", 20).await;
    assert_eq!(
        api.ok("GET", "/_emulator/deliveries", Value::Null).await["deliveries"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!((made["deliveries"].clone(), api.emulator.totals().open), (20.into(), 0));
}

#[tokio::test]
async fn it_is_reached_from_this_machine_alone_unless_the_danger_is_meant() {
    let everywhere = Config { listen: "0.0.0.0:0".parse().expect("an address"), ..config() };
    let refused = Emulator::start(everywhere.clone(), None).await.expect_err("it is refused");
    assert!(matches!(refused, StartError::Config(ConfigError::BeyondLoopback(_))), "{refused}");
    let meant = Config { danger_listen_beyond_loopback: true, ..everywhere };
    Emulator::start(meant, None).await.expect("it was meant").stop().await;
    for time_scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        let refused = Emulator::start(Config { time_scale, ..config() }, None).await;
        assert!(matches!(refused, Err(StartError::Config(ConfigError::TimeScale(_)))), "{time_scale}");
    }
    let api = Api::start(config()).await;
    let taken = Emulator::start(Config { listen: api.address, ..config() }, None).await.expect_err("it is taken");
    assert!(taken.to_string().contains(&api.address.to_string()), "{taken}");
}

#[tokio::test]
async fn pages_of_other_origins_and_names_that_point_here_are_refused() {
    let api = Api::start(config()).await;
    let own = format!("http://{}", api.address);
    let port = api.address.port();
    let local = format!("localhost:{port}");
    let (status, _) =
        api.call_with("GET", "/_emulator", "", &[("host", &local), ("origin", &format!("http://{local}"))]).await;
    assert_eq!(status, 200, "the inspector under another name of this machine");
    let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
    assert_eq!(api.call_with("GET", "/_emulator", "", &rebound).await.0, 403);
    for (header, value, status) in [
        ("origin", own.as_str(), 200),
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "none", 200),
        ("host", "evil.example", 403),
        ("host", "127.0.0.1.evil.example", 403),
        ("host", &format!("evil.example:{port}"), 403),
        ("host", &format!("localhost:{port}"), 200),
        ("host", &format!("[::1]:{port}"), 200),
        ("host", "[::1]", 200),
    ] {
        let (answered, answer) = api.call_with("GET", "/_emulator", "", &[(header, value)]).await;
        assert_eq!(answered, status, "{header}: {value}: {answer}");
        let (answered, _) = api.call_with("GET", "/v1/webhooks", "", &[KEY, (header, value)]).await;
        assert_eq!(answered, status, "{header}: {value}");
    }
}

#[tokio::test]
async fn nothing_that_is_sent_breaks_it_and_each_error_says_what_to_do() {
    let api = Api::start(config()).await;
    let large = vec![b' '; (4 << 20) + 1];
    let deep = "[".repeat(100_000);
    let wrong: [(&str, &str, &[u8], u16); 16] = [
        ("POST", "/v1/webhooks", b"{", 400),
        ("POST", "/v1/webhooks", b"[]", 400),
        ("POST", "/v1/webhooks", b"\xff\xfe", 400),
        ("POST", "/v1/webhooks", deep.as_bytes(), 400),
        ("POST", "/v1/webhooks", &large, 413),
        ("POST", "/v1/webhooks", br#"{"uri":"http://a/","subscribed_events":[]}"#, 400),
        ("POST", "/v1/webhooks", br#"{"uri":"http://a/","subscribed_events":["batch.succeded"]}"#, 400),
        ("PATCH", "/v1/webhooks/none", b"{}", 404),
        ("PUT", "/v1/webhooks", b"{}", 405),
        ("POST", "/v1/webhooks/none:pong", b"", 404),
        ("POST", "/v1/interactions", br#"{"model":"m","agent":"a","input":"x"}"#, 400),
        ("POST", "/v1/models/m:batchGenerateContent", br#"{"batch":{"input_config":{}}}"#, 400),
        ("POST", "/_emulator/clock:advance", br#"{"by":"soon"}"#, 400),
        ("POST", "/_emulator/events:emit", br#"{"type":"x","count":0}"#, 400),
        ("POST", "/_emulator/jobs/1/x:explode", b"", 404),
        ("GET", "/", b"", 404),
    ];
    for (method, path, body, status) in wrong {
        let (answered, answer) = api.call_with(method, path, body.to_vec(), &[KEY]).await;
        // Interactions have errors of a form of their own.
        let code = if path.contains("interactions") { "invalid_request".into() } else { status.into() };
        assert_eq!((answered, &answer["error"]["code"]), (status, &code), "{method} {path}: {answer}");
        assert!(text(&answer["error"]["message"]).len() > 10, "{answer}");
    }
    let (status, answer) = api.call_with("GET", "/v1/webhooks", "", &[("x-goog-api-key", " ")]).await;
    assert_eq!((status, &answer["error"]["status"]), (403, &"PERMISSION_DENIED".into()));
    let (status, _) = api.call_with("GET", "/v1/webhooks?key=other", "", &[]).await;
    assert_eq!(status, 200);

    // A head that never ends, and one that is none, end their own connection and no other.
    let mut endless = TcpStream::connect(api.address).await.expect("it listens");
    let line = format!("x: {}\r\n", "y".repeat(1000));
    let _ = endless.write_all(format!("GET / HTTP/1.1\r\n{}", line.repeat(200)).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = soon(endless.read_to_end(&mut answer)).await;
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    until("it goes on", async || api.call("GET", "/v1/webhooks", &Value::Null).await.0 == 200).await;
}

#[tokio::test]
async fn a_method_that_a_resource_lacks_is_405_with_those_that_it_has_and_a_path_that_is_not_there_is_404() {
    let api = Api::start(config()).await;
    for (request, status, allow) in [
        ("PUT /v1/webhooks", "405", Some("GET,HEAD,POST")),
        ("POST /v1beta/interactions/x", "405", Some("GET,HEAD,DELETE")),
        ("POST /.well-known/jwks.json", "405", Some("GET,HEAD")),
        ("POST /_emulator/clock", "405", Some("GET,HEAD")),
        // Verbs share a route with ids: without a verb there is no method.
        ("POST /v1/models/m", "405", Some("")),
        ("POST /v1/batches/x", "405", Some("GET,HEAD,DELETE")),
        ("GET /v1/webhooks/a/b/c", "404", None),
        ("GET /v1/nothing", "404", None),
        ("GET /_emulator/nothing/here", "404", None),
        // One client encodes the slash of a full name, another does not.
        ("GET /v1/webhooks/webhooks%2Fx", "404", None),
        ("GET /v1/webhooks/webhooks/x", "404", None),
        ("GET /_emulator/", "200", None),
    ] {
        let mut stream = TcpStream::connect(api.address).await.expect("it listens");
        let head =
            format!("{request} HTTP/1.1\r\nhost: localhost\r\nx-goog-api-key: test\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let mut response = Vec::new();
        soon(stream.read_to_end(&mut response)).await.expect("a response");
        let response = String::from_utf8(response).expect("text");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        let found = head.lines().find_map(|line| line.strip_prefix("allow:").map(str::trim));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {response}");
        assert!(head.contains("content-type: application/json"), "{request}: {response}");
        assert_eq!(found, allow, "{request}: {response}");
        let body: Value = serde_json::from_str(body).expect("JSON");
        if request.contains("webhooks/webhooks") || request.contains("webhooks%2F") {
            assert!(text(&body["error"]["message"]).contains("by its id alone"), "{request}: {body}");
        }
    }
}
