//! The inspector: what it lists, and its page in a real browser.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use countersign_tests::install::Packages;
use http::header::CONTENT_SECURITY_POLICY;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{
    Answer, Backend, Gateway, OTHER_SECRET, Raw, Reply, Running, SECRET, SOURCE, Wire, command, delivery, finished,
    get, route, route_to, until,
};

const PACKAGES: Packages = Packages(env!("CARGO_TARGET_TMPDIR"));
const WIRE: Wire = Wire::Http1Length;
const BODY: &str = "{\"type\":\"batch.succeeded\"}";

async fn list(gateway: &Gateway, query: &str) -> Value {
    let reply = command(gateway.admin, Method::GET, &format!("/-/requests{query}"), None).await;
    assert_eq!(reply.status, StatusCode::OK);
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// Waits until this many requests are listed.
async fn listed(gateway: &Gateway, count: usize) -> Vec<Value> {
    let all = async || list(gateway, "").await["requests"].as_array().expect("a list").clone();
    until("the requests are listed", async || all().await.len() == count).await;
    all().await
}

#[tokio::test]
async fn requests_are_listed_with_what_was_verified_or_why_not() {
    let backend = Backend::start().await;
    let gateway = Gateway::start_with("inspect = {}", &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    gateway.send(&delivery("msg_1", BODY), WIRE).await;
    gateway.send(&delivery("msg_1", BODY), WIRE).await;
    gateway.send(&delivery("msg_2", BODY).with_body("{}"), WIRE).await;
    get(gateway.address, "/other?secret=1").await.expect("a response");
    let all = listed(&gateway, 4).await;
    let seen: Vec<_> =
        all.iter().map(|one| (&one["number"], &one["outcome"], &one["reason"], &one["status"])).collect();
    assert_eq!(
        serde_json::to_value(&seen).expect("JSON"),
        json!([
            [1, "confirmed", null, 200],
            [2, "duplicate", null, 200],
            [3, "refused", "signature_mismatch", 401],
            [4, "refused", "no_route", 404],
        ])
    );
    let message = &all[0]["message"];
    assert_eq!(
        [&message["source"], &message["id"], &message["event_type"], &message["body_length"], &message["scheme"]],
        [&json!("test"), &json!("msg_1"), &json!("batch.succeeded"), &json!(BODY.len()), &json!("v1")]
    );
    assert_eq!((&all[2]["message"], &all[3]["path"]), (&Value::Null, &json!("/other")));
    assert!(all[2]["explanation"].as_str().is_some_and(|text| text.contains("signature")), "{}", all[2]);
    assert!(all[0]["latency_us"].as_u64() > Some(0) && all[0]["verification_us"].is_u64());

    let rest = list(&gateway, "?after=3").await;
    assert_eq!(
        (&rest["last"], &rest["more"], rest["requests"].as_array().map(Vec::len)),
        (&json!(4), &json!(false), Some(1))
    );
    let one = command(gateway.admin, Method::GET, "/-/requests/1", None).await;
    let one: Value = serde_json::from_slice(&one.body).expect("JSON");
    assert_eq!(
        (&one["message"]["id"], one.get("body")),
        (&json!("msg_1"), None),
        "bodies are not kept unless configured"
    );
    for (path, status) in [("/-/requests/99", 404), ("/-/requests/x", 404), ("/-/requests?before=1", 400)] {
        assert_eq!(command(gateway.admin, Method::GET, path, None).await.status, status, "{path}");
    }
}

/// The explanation of a request.
async fn explanation(gateway: &Gateway, number: &Value) -> Value {
    let reply = command(gateway.admin, Method::GET, &format!("/-/requests/{number}/explanation"), None).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", String::from_utf8_lossy(&reply.body));
    assert!(!String::from_utf8_lossy(&reply.body).contains(&SECRET[6..]), "it shows the secret");
    serde_json::from_slice(&reply.body).expect("JSON")
}

fn codes(explanation: &Value) -> Vec<(&str, &str)> {
    let findings = explanation["findings"].as_array().expect("a list").iter();
    findings.map(|one| (one["code"].as_str().expect("a code"), one["certainty"].as_str().expect("a word"))).collect()
}

#[tokio::test]
async fn a_rejected_request_is_explained_with_its_body() {
    let backend = Backend::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("a.secret");
    std::fs::write(&file, OTHER_SECRET).expect("a file");
    let other = format!(
        "[sources.other]\nsecrets = [{{ file = \"{}\" }}]\n{}",
        file.display(),
        route(&backend, "").replace("\"/hook\"", "\"/other\"").replace("\"test\"", "\"other\"")
    );
    let sources = [SOURCE, &other, &route(&backend, "")].concat();
    let gateway = Gateway::start_with("inspect = { bodies = true }", &sources, &[]).await;
    gateway.send(&delivery("msg_1", BODY).with_body(format!("{BODY}\n")), WIRE).await;
    gateway.send(&delivery("msg_2", BODY).with_body("{\"type\": \"batch.succeeded\"}"), WIRE).await;
    gateway.send(&delivery("msg_3", BODY).with_body("{}"), WIRE).await;
    gateway.send(&delivery("msg_4", BODY).to("/other"), WIRE).await;
    gateway.send(&delivery("msg_5", BODY), WIRE).await;
    let all = listed(&gateway, 5).await;
    let explainable: Vec<_> = all.iter().map(|one| one["explainable"].as_bool()).collect();
    assert_eq!(explainable, [Some(true), Some(true), Some(true), Some(true), Some(false)]);
    for (number, code) in [(0, "body_trailing_newline_added"), (1, "body_reserialised")] {
        let found = explanation(&gateway, &all[number]["number"]).await;
        assert_eq!(codes(&found), [(code, "certain")], "{found}");
        assert_eq!(
            (&found["body"], &found["advice"], &found["gave_up"]),
            (&json!("kept"), &Value::Null, &json!(false))
        );
        assert!(found["trials"].as_u64() > Some(0) && found["looked_at"].as_array().is_some_and(|all| all.len() > 3));
    }
    let found = explanation(&gateway, &all[2]["number"]).await;
    assert!(codes(&found).iter().all(|(_, certainty)| *certainty != "certain"), "{found}");
    assert!(codes(&found).contains(&("wrong_secret", "possible")), "{found}");
    // The file has the sender's secret by now, and the gateway has not read it.
    std::fs::write(&file, SECRET).expect("a file");
    assert_eq!(codes(&explanation(&gateway, &all[3]["number"]).await), [("keys_replaced", "certain")]);
    std::fs::remove_file(&file).expect("it is there");
    let path = format!("/-/requests/{}/explanation", all[3]["number"]);
    let reply = command(gateway.admin, Method::GET, &path, None).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&reply.body).contains("a.secret"), "{reply:?}");
}

#[tokio::test]
async fn without_bodies_only_the_headers_are_explained() {
    let backend = Backend::start().await;
    let gateway = Gateway::start_with("inspect = {}", &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    gateway.send(&delivery("msg_1", BODY).with_body(format!("{BODY}\n")), WIRE).await;
    gateway.send(&delivery("msg_2", BODY).set("webhook-timestamp", "1700000000000"), WIRE).await;
    let all = listed(&gateway, 2).await;
    let found = explanation(&gateway, &all[0]["number"]).await;
    assert_eq!((&found["body"], &found["trials"]), (&json!("not_kept"), &Value::Null), "{found}");
    assert!(found["advice"].as_str().is_some_and(|advice| advice.contains("inspect = { bodies = true }")), "{found}");
    assert!(codes(&found).is_empty(), "{found}");
    let found = explanation(&gateway, &all[1]["number"]).await;
    assert_eq!(found["body"], "not_read", "{found}");
    assert_eq!(codes(&found), [("timestamp_in_another_unit", "likely")], "{found}");
}

#[tokio::test]
async fn without_inspect_there_is_nothing_to_see() {
    let gateway = Gateway::before(&Backend::start().await).await;
    for path in ["/inspect", "/inspect/main.js"] {
        assert_eq!(get(gateway.admin, path).await.expect("a response").status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(get(gateway.admin, "/-/requests").await.expect("a response").status, StatusCode::METHOD_NOT_ALLOWED);
}

/// The response to a request of a page with this origin, which names this host.
async fn from_page(gateway: &Gateway, line: &str, host: &str, origin: &str) -> Reply {
    let mut raw = Raw::open(gateway.admin).await;
    raw.write(&format!("{line} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\ncontent-length: 0\r\n\r\n")).await;
    raw.answer().await.expect("an answer")
}

#[tokio::test]
async fn other_pages_can_neither_read_nor_command() {
    let backend = Backend::start().await;
    let gateway = Gateway::start_with("inspect = {}", &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    let own = gateway.admin.to_string();
    for line in ["GET /-/requests", "POST /-/reload"] {
        assert_eq!(from_page(&gateway, line, &own, &format!("http://{own}")).await.status, StatusCode::OK, "{line}");
        for (host, origin) in [
            (own.as_str(), "http://example.com".to_owned()),
            (&own, "null".to_owned()),
            (&own, "http://127.0.0.1:1".to_owned()),
            // A name that resolves to this machine.
            ("rebound.example:9901", "http://rebound.example:9901".to_owned()),
        ] {
            let status = from_page(&gateway, line, host, &origin).await.status;
            assert_eq!(status, StatusCode::FORBIDDEN, "{line} {host} {origin}");
        }
    }
    let page = get(gateway.admin, "/inspect").await.expect("a response");
    let policy = page.header(CONTENT_SECURITY_POLICY.as_str()).expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
}

/// Runs a script of `browser/`, which opens the page at this URL.
pub(crate) async fn browse(script: &'static str, url: &str, more: &str) -> Output {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/browser");
    let packages = PACKAGES.javascript(
        "inspector",
        include_str!("browser/package.json"),
        include_str!("browser/package-lock.json"),
    );
    // Screenshots stay there.
    let arguments = [url, env!("CARGO_TARGET_TMPDIR"), more].map(str::to_owned);
    let output = tokio::task::spawn_blocking(move || {
        finished(Command::new("node").arg(format!("{here}/{script}")).arg(packages).arg(chromium()).args(arguments))
    });
    output.await.expect("no panic")
}

/// The browser, or a message that says how to get it.
fn chromium() -> &'static str {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    found.unwrap_or_else(|| panic!("{}", countersign_tests::install::missing("chromium", "chromium")))
}

#[tokio::test]
async fn every_control_of_the_page_works_in_a_browser() {
    // The first attempt of each message of the inbox fails.
    let mut failed = BTreeSet::new();
    let backend = Backend::scripted(move |seen| {
        let is_first = seen.request_line.contains(" /queue ") && failed.insert(seen.id().to_owned());
        Answer::Status(if is_first { 500 } else { 200 })
    })
    .await;
    let queue = route_to(&[backend.address()], "delivery = \"inbox\"\nredelivery = { first = \"1ms\", for = \"1ms\" }")
        .replace("/hook", "/queue");
    let store = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";
    let token = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(token.path(), SECRET).expect("a file");
    let server = format!(
        "inspect = {{ bodies = true }}\ninbox_bodies = true\nadmin_token = {{ file = \"{}\" }}",
        token.path().display()
    );
    let gateway = Gateway::start_with(&server, &[store, SOURCE, &route(&backend, ""), &queue].concat(), &[]).await;

    gateway.send(&delivery("msg_good", BODY), WIRE).await;
    gateway.send(&delivery("msg_forged", BODY).with_body("{}"), WIRE).await;
    let attack = "<img src=x onerror=attacked=1>";
    let body = format!("{{\"type\":\"{attack}\",\"x\":\"</pre><script>attacked=1</script>\"}}");
    gateway.send(&delivery("msg_attack", body), WIRE).await;
    gateway.send(&delivery("<img/src=x/onerror=attacked=1>", BODY), WIRE).await;
    get(gateway.address, "/nowhere").await.expect("a response");
    for id in ["msg_again", "msg_discard", "msg_all"] {
        let sent = delivery(id, format!("{{\"type\":\"batch.failed\",\"id\":\"{id}\"}}")).to("/queue");
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    }
    let output = browse("inspector.cjs", &format!("http://{}", gateway.admin), SECRET).await;
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), gateway.output());
    // The id was forgotten, so that its next delivery is new.
    let before = backend.seen().len();
    gateway.send(&delivery("msg_good", BODY), WIRE).await;
    assert_eq!(backend.seen().len(), before + 1);
}
