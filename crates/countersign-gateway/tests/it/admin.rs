//! Health, readiness, metrics and the log, and that none of them shows a secret.

use std::time::Duration;

use crate::common::{
    Answer, Backend, Delivery, Gateway, InProcess, OTHER_SECRET, Running, SECRET, SOURCE, Wire, delivery, free_address,
    get, route, secret_of, send, until,
};
use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use http::header::ACCEPT;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tokio::net::TcpStream;

const WIRE: Wire = Wire::Http1Length;

#[tokio::test]
async fn health_and_readiness_are_on_a_listener_of_their_own() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/hook", 404), ("/", 404)] {
        assert_eq!(get(gateway.admin, path).await.expect("an answer").status, status, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(gateway.address, path).await.expect("an answer").status, StatusCode::NOT_FOUND, "{path}");
    }
    // A webhook that is sent to the wrong listener is not forwarded.
    let reply = send(gateway.admin, &delivery("msg_1", "{}"), WIRE).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn the_admin_service_responds_in_plain_text() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    let paths = "there is /healthz, /readyz, /metrics and /.well-known/jwks.json\n";
    for (method, path, status, body) in [
        (Method::GET, "/healthz", 200, "alive\n"),
        (Method::HEAD, "/healthz", 200, ""),
        (Method::GET, "/readyz", 200, "ready\n"),
        (Method::OPTIONS, "/healthz", 200, "alive\n"),
        (Method::OPTIONS, "/readyz", 200, "ready\n"),
        (Method::OPTIONS, "/", 200, "ready\n"),
        (Method::OPTIONS, "/metrics", 405, "GET only\n"),
        (Method::GET, "/healthz/", 404, paths),
        (Method::GET, "/hook", 404, paths),
        (Method::POST, "/healthz", 405, "GET only\n"),
        (Method::POST, "/hook", 405, "GET only\n"),
    ] {
        let reply = gateway.admin(method.clone(), path).await;
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (status, body.as_bytes()), "{method} {path}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{method} {path}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_what_became_of_them_and_timed() {
    let backend = Backend::answering([Answer::Status(200), Answer::Status(500)]).await;
    let gateway = InProcess::before(&backend);
    let try_send = async |sent: &Delivery| gateway.send(sent, WIRE).await;
    let upstream_count = "countersign_upstream_seconds_count{route=\"/hook\"}";
    let verification_count = "countersign_verification_seconds_count{route=\"/hook\"}";
    // Both exist from the start, because a missing metric looks like zero.
    assert_eq!(gateway.metric(upstream_count).await, Some(0.0));
    assert_eq!(gateway.metric("countersign_claims_held{source=\"test\"}").await, Some(0.0));

    try_send(&delivery("msg_1", "{}")).await;
    try_send(&delivery("msg_1", "{}")).await;
    try_send(&delivery("msg_2", "{}")).await;
    try_send(&Delivery::signed([OTHER_SECRET], 0, "msg_3", "{}")).await;
    try_send(&delivery("msg_3", "{}").without("webhook-id")).await;
    try_send(&delivery("msg_3", "{}").to("/nowhere")).await;
    let mut get_hook = Wire::Http1Length.received(&delivery("msg_3", "{}"));
    *get_hook.method_mut() = Method::GET;
    assert_eq!(gateway.call(get_hook).await.status(), StatusCode::METHOD_NOT_ALLOWED);

    for (route, outcome, reason, count) in [
        ("/hook", "confirmed", "", 1.0),
        ("/hook", "duplicate", "", 1.0),
        ("/hook", "released", "upstream_failed", 1.0),
        ("/hook", "refused", "signature_mismatch", 1.0),
        ("/hook", "refused", "missing_header", 1.0),
        ("/hook", "refused", "method_not_allowed", 1.0),
        ("none", "refused", "no_route", 1.0),
    ] {
        let name = format!("countersign_requests_total{{route=\"{route}\",outcome=\"{outcome}\",reason=\"{reason}\"}}");
        assert_eq!(gateway.metric(&name).await, Some(count), "{name}");
    }
    // Two requests were forwarded, and the bodies of four were verified.
    assert_eq!(gateway.metric(upstream_count).await, Some(2.0));
    assert_eq!(gateway.metric(verification_count).await, Some(4.0));
    assert_eq!(gateway.metric("countersign_ids_remembered{source=\"test\"}").await, Some(1.0));
}

#[tokio::test]
async fn the_process_has_metrics() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let metric = async |name: &str| gateway.metric(name).await.unwrap_or_else(|| panic!("there is no {name}"));
    assert!(metric("process_cpu_seconds_total").await > 0.0);
    let now = f64::from(u32::try_from(SystemClock.now().as_secs()).expect("a time before 2106"));
    let started = metric("process_start_time_seconds").await;
    assert!((now - 600.0..now + 1.0).contains(&started), "{started}, {now}");
    let resident = metric("process_resident_memory_bytes").await;
    let seen = f64::from(u32::try_from(gateway.resident()).expect("less than 4 GiB"));
    assert!((0.5..2.0).contains(&(resident / seen)), "{resident}, {seen}");
    assert!(metric("process_virtual_memory_bytes").await >= resident);
    let before = metric("process_open_fds").await;
    let held = TcpStream::connect(gateway.address).await.expect("it listens");
    until("it is open", async || metric("process_open_fds").await >= before + 1.0).await;
    drop(held);
    assert!(metric("process_max_fds").await > before);
    // A reload is no start.
    assert_eq!(gateway.reload().await.status, 200);
    assert_eq!(gateway.metric("process_start_time_seconds").await, Some(started));
}

#[tokio::test]
async fn a_share_of_successful_requests_is_logged_and_every_other_one() {
    let answers = [200, 200, 500, 200, 200].map(Answer::Status);
    let backend = Backend::answering(answers).await;
    let gateway = InProcess::before_with(&backend, "log_sample = 0.25");
    for id in 0..5 {
        gateway.send(&delivery(&format!("msg_{id}"), "{}"), WIRE).await;
    }
    // Duplicates are successful too.
    for _ in 0..3 {
        gateway.send(&delivery("msg_0", "{}"), WIRE).await;
    }
    gateway.send(&Delivery::signed([OTHER_SECRET], 0, "msg_9", "{}"), WIRE).await;
    let output = gateway.output();
    let logged = |text: &str| output.matches(text).count();
    assert_eq!((logged("outcome=\"confirmed\""), logged("outcome=\"duplicate\"")), (1, 1), "{output}");
    assert_eq!((logged("outcome=\"released\""), logged("signature_mismatch")), (1, 1), "{output}");
    assert_eq!((gateway.count("confirmed", "").await, gateway.count("duplicate", "").await), (4.0, 3.0));
}

#[tokio::test]
async fn claims_are_held_while_the_backend_works() {
    let (backend, tell) = Backend::holding().await;
    let gateway = InProcess::before(&backend);
    let sending = tokio::spawn(gateway.send(&delivery("msg_1", "{}"), WIRE));
    backend.has_seen(1).await;
    let held = async || gateway.metric("countersign_claims_held{source=\"test\"}").await;
    assert_eq!(held().await, Some(1.0));
    tell.send(200).expect("the backend waits");
    sending.await.expect("no panic");
    assert_eq!(held().await, Some(0.0));
}

#[tokio::test]
async fn metrics_are_text_that_a_scraper_can_read() {
    let backend = Backend::start().await;
    let text = route(&backend, "").replace("path = \"/hook\"", "path = \"/a'b/*\"\nhost = \"hooks.example.com\"");
    let set = format!("jwks = {{ url = \"http://{}/keys\" }}\n", free_address());
    let gateway = InProcess::start(&[SOURCE, &set, &text].concat());
    let failures = "countersign_key_fetch_failures_total{source=\"test\",reason=\"connect\"}";
    until("a fetch has failed", async || gateway.metric(failures).await >= Some(1.0)).await;
    gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    for (accept, kind, comments) in [
        (
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            &["HELP ", "TYPE ", "UNIT ", "EOF"][..],
        ),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", &["HELP ", "TYPE "]),
    ] {
        let request =
            Request::get("/metrics").header(ACCEPT, accept).body(Full::<Bytes>::default()).expect("a request");
        let reply = gateway.command(request).await;
        assert_eq!((reply.header("content-type"), reply.header("vary")), (Some(kind), Some("accept")));
        let text = String::from_utf8(reply.body.to_vec()).expect("text");
        assert_eq!(text.ends_with("# EOF\n"), comments.contains(&"EOF"));
        assert_are_lines(&text, comments);
    }
}

/// Whether each line is one of these comments, or a sample.
fn assert_are_lines(text: &str, comments: &[&str]) {
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            assert!(comments.iter().any(|kind| comment.starts_with(kind)), "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(name.starts_with("countersign_") || name.starts_with("process_"), "{line}");
        let Some((_, labels)) = name.split_once('{') else { continue };
        let labels = labels.strip_suffix('}').expect("labels end with a brace").replace("\\\"", "");
        // Quotation marks inside a value are escaped, so the remaining ones enclose it.
        let is_closed = |(_, value): (&str, &str)| !value.trim_end_matches('"').contains('"');
        assert!(labels.split("\",").all(|label| label.split_once("=\"").is_some_and(is_closed)), "{line}");
    }
}

#[tokio::test]
async fn every_request_is_one_line_of_the_log() {
    let backend = Backend::start().await;
    let gateway = Gateway::start_with("", &[SOURCE, &route(&backend, "")].concat(), &["--log", "json"]).await;
    let wires = Wire::ALL;
    for wire in wires {
        send(gateway.address, &delivery("msg_1", "{}"), wire).await;
        send(gateway.address, &delivery("msg_2", "{}").without("webhook-id"), wire).await;
        send(gateway.address, &delivery("msg_3", "{}").to("/nowhere\u{25}0a"), wire).await;
    }
    let lines = async || {
        let output = gateway.output();
        let lines = output.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines.filter(|line| line["message"] == "request").collect::<Vec<_>>()
    };
    until("all are logged", async || lines().await.len() >= 12).await;
    let lines = lines().await;
    assert_eq!(lines.len(), wires.len() * 3);
    for line in &lines {
        assert_eq!(line["peer"], "127.0.0.1");
        assert!(line["took_us"].is_u64() && line["status"].is_u64(), "{line}");
    }
    let (first, refused, lost) = (&lines[0], &lines[1], &lines[2]);
    assert_eq!((&first["outcome"], &first["message_id"]), (&"confirmed".into(), &"msg_1".into()));
    assert_eq!(
        (&first["route"], &first["key"], &first["body_bytes"]),
        (&"/hook".into(), &"TEST_SECRET".into(), &2.into())
    );
    assert_eq!((&refused["outcome"], &refused["reason"]), (&"refused".into(), &"missing_header".into()));
    assert_eq!((&lost["route"], &lost["reason"]), (&"none".into(), &"no_route".into()));
    // Unverified ids are not logged, so that an attacker cannot write to the log.
    assert!(refused["message_id"].is_null() && lost["message_id"].is_null());
}

#[tokio::test]
async fn no_secret_no_body_and_no_signature_is_logged_or_counted() {
    for log in [&["--log", "text"], &["--log", "json"]] {
        let answers = [200, 500, 410, 302].map(Answer::Status).into_iter().chain([Answer::Close]);
        let backend = Backend::answering(answers).await;
        let rest = [SOURCE, &route(&backend, "body_limit = \"1KiB\"\nbody_timeout = \"200ms\"")].concat();
        let gateway = Gateway::start_with("", &rest, log).await;
        let mut signatures = Vec::new();
        let mut count = 0;
        let body = "{\"type\":\"batch.succeeded\",\"data\":\"MARKED-BODY\"}";
        for wire in Wire::ALL {
            let good = |id: &str| delivery(id, body).set("x-mark", "MARKED-HEADER");
            for sent in [
                good("msg_1"),
                good("msg_2"),
                good("msg_3"),
                good("msg_4"),
                good("msg_5"),
                good("msg_1"),
                good("msg_6").with_body("MARKED-BODY".repeat(200)),
                good("msg_6").with_body("MARKED-BODY"),
                good("msg_6").set("webhook-id", "MARKED.ID"),
                good("msg_6").set("webhook-timestamp", "MARKED-TIME"),
                good("msg_6").to("/other?MARKED-QUERY"),
                Delivery::signed([OTHER_SECRET], 0, "MARKED-ID", body),
                Delivery::signed([SECRET], -1000, "MARKED-ID", body),
            ] {
                signatures.push(sent.headers["webhook-signature"].to_str().expect("ASCII")[3..].to_owned());
                gateway.send(&sent, wire).await;
                count += 1;
            }
        }
        for broken in ["MARKED-GARBAGE\r\n\r\n", "POST /hook HTTP/1.1\r\nMARKED\r\n\r\n"] {
            crate::common::raw_answers(gateway.address, broken).await;
            count += 1;
        }
        until("all are logged", async || gateway.output().matches("took_us").count() >= count).await;
        assert_eq!(gateway.output().matches("took_us").count(), count);
        for text in [gateway.output(), gateway.metrics().await] {
            // The log names the path of a request without a route, but not its query.
            for word in ["MARKED", secret_of(SECRET), secret_of(OTHER_SECRET)] {
                assert!(!text.contains(word), "{word} in {text}");
            }
            assert!(!signatures.iter().any(|signature| text.contains(signature.as_str())), "{text}");
        }
    }
}

#[tokio::test]
async fn rejected_requests_are_logged_at_a_rate_that_follows_the_clock() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    let lines = async || {
        for _ in 0..50 {
            gateway.send(&delivery("msg_1", "{}").to("/nowhere"), WIRE).await;
        }
        gateway.output().matches("no_route").count()
    };
    let burst = lines().await;
    assert!((1..50).contains(&burst), "{burst}");
    assert_eq!(lines().await, burst);
    gateway.clock.advance(Duration::from_secs(1));
    assert_eq!(lines().await, burst + 1);
}
