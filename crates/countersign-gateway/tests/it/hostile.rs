//! Hostile bytes on a connection are rejected promptly, or the connection is closed. No part of them reaches the
//! backend as a request.

use std::fmt::Write;

use crate::common::{
    Backend, Delivery, Gateway, OTHER_SECRET, Raw, SECRET, SOURCE, Wire, delivery, raw_answers, route, send,
};
use http::StatusCode;

/// A gateway that forwards every path, so that only verification protects the backend.
async fn open_to_all() -> (Gateway, Backend) {
    let backend = Backend::start().await;
    let text = route(&backend, "body_timeout = \"1s\"").replace("/hook", "/*");
    (Gateway::start(&[SOURCE, &text].concat()).await, backend)
}

/// Checks that the gateway still works, and that the backend has seen this many deliveries.
async fn assert_unharmed(gateway: &Gateway, backend: &Backend, seen: usize) {
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        let sent = delivery(&format!("msg_after_{wire:?}"), "{}");
        assert_eq!(send(gateway.address, &sent, wire).await.status, StatusCode::OK);
    }
    let all: Vec<_> = backend.seen().iter().map(|seen| seen.id().to_owned()).collect();
    assert_eq!(all.len(), seen + 2, "{all:?}");
    assert!(backend.connections() <= seen + 2, "{}", backend.connections());
}

/// A complete forged request, to be hidden inside another one.
fn smuggled() -> String {
    let forged = Delivery::signed([OTHER_SECRET], 0, "msg_smuggled", "{}");
    String::from_utf8(forged.bytes()).expect("ASCII")
}

#[tokio::test]
async fn a_request_inside_the_body_of_a_refused_one_is_not_a_request() {
    let (gateway, backend) = open_to_all().await;
    // Authentic, so that only the framing can keep it from being forwarded.
    let inner = delivery("msg_smuggled", "{}").bytes();
    let old = Delivery::signed([SECRET], -1000, "msg_1", inner.clone());
    for (outer, status) in [
        (old.clone(), 401),
        (old.clone().without("webhook-id"), 400),
        (Delivery::signed([OTHER_SECRET], 0, "msg_1", inner.clone()), 401),
    ] {
        assert_eq!(raw_answers(gateway.address, outer.bytes()).await, [status]);
        let chunked = format!("{}transfer-encoding: chunked\r\n\r\n{:x}\r\n", outer.head(), inner.len());
        let bytes = [chunked.as_bytes(), &inner, b"\r\n0\r\n\r\n"].concat();
        assert_eq!(raw_answers(gateway.address, bytes).await, [status]);
    }
    // The same if the method or the path is rejected, so that the body is never read.
    for line in ["GET /x HTTP/1.1", "POST /../x HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        let head = old.head().replacen("POST /hook HTTP/1.1", line, 1);
        let bytes = [format!("{head}content-length: {}\r\n\r\n", inner.len()).as_bytes(), &inner].concat();
        assert_eq!(raw_answers(gateway.address, bytes).await.len(), 1, "{line}");
    }
    assert_unharmed(&gateway, &backend, 0).await;
}

#[tokio::test]
async fn pipelined_requests_are_judged_one_by_one() {
    let (gateway, backend) = open_to_all().await;
    let forged = Delivery::signed([OTHER_SECRET], 0, "msg_2", "{}");
    let all = [delivery("msg_1", "{}").bytes(), forged.bytes(), delivery("msg_3", "{}").bytes()].concat();
    assert_eq!(raw_answers(gateway.address, all).await, [200, 401, 200]);
    assert_unharmed(&gateway, &backend, 2).await;
}

#[tokio::test]
async fn a_request_with_two_framings_is_refused_or_read_in_one_way() {
    let (gateway, backend) = open_to_all().await;
    let inner = smuggled();
    let body = format!("0\r\n\r\n{inner}");
    for (case, framing) in [
        ("both", format!("content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{body}", body.len())),
        ("both, the other way round", format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n{body}")),
        ("two lengths", format!("content-length: 5\r\ncontent-length: {}\r\n\r\n{body}", body.len())),
        ("a list of lengths", format!("content-length: 5, {}\r\n\r\n{body}", body.len())),
        ("a signed length", format!("content-length: +{}\r\n\r\n{body}", body.len())),
        ("a hexadecimal length", format!("content-length: 0x10\r\n\r\n{body}")),
        ("a length too large", format!("content-length: 18446744073709551617\r\n\r\n{body}")),
        ("a negative length", format!("content-length: -1\r\n\r\n{body}")),
        ("an unknown coding", format!("transfer-encoding: xchunked\r\n\r\n{body}")),
        ("chunked, but not last", format!("transfer-encoding: chunked, gzip\r\n\r\n{body}")),
        ("chunked twice", format!("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{body}")),
        ("a space before the colon", format!("transfer-encoding : chunked\r\n\r\n{body}")),
        ("a folded line", format!("transfer-encoding:\r\n chunked\r\n\r\n{body}")),
        ("a bare CR", format!("x: y\rtransfer-encoding: chunked\r\n\r\n{body}")),
        ("a bad chunk size", format!("transfer-encoding: chunked\r\n\r\n-1\r\n{inner}")),
        ("a chunk size too large", format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{inner}")),
        ("a chunk longer than its size", format!("transfer-encoding: chunked\r\n\r\n1\r\n{inner}\r\n0\r\n\r\n")),
    ] {
        let head = Delivery::signed([OTHER_SECRET], 0, "msg_outer", "").head();
        let answers = raw_answers(gateway.address, format!("{head}{framing}")).await;
        assert!(answers.iter().all(|status| (400..500).contains(status)) && answers.len() <= 2, "{case}: {answers:?}");
    }
    assert_unharmed(&gateway, &backend, 0).await;
}

#[tokio::test]
async fn what_is_not_http_is_refused_or_closed() {
    let (gateway, backend) = open_to_all().await;
    let sent = delivery("msg_hostile", "{}");
    let good = String::from_utf8(sent.bytes()).expect("ASCII");
    let (line, headers) = good.split_once("\r\n").expect("a head");
    let with = |line: &str| format!("{line}\r\n{headers}").into_bytes();
    let with_header = |header: &[u8]| [line.as_bytes(), b"\r\n", header, b"\r\n", headers.as_bytes()].concat();
    let many = (0..300).fold(String::new(), |mut text, n| {
        write!(text, "x-{n}: y\r\n").expect("a string grows");
        text
    });
    for (case, bytes) in [
        ("garbage", crate::common::noise(5000).to_vec()),
        ("zeros", vec![0; 5000]),
        ("a TLS hello", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 600]].concat()),
        ("HTTP/0.9", b"POST /hook\r\n\r\n".to_vec()),
        ("HTTP/3.0", with("POST /hook HTTP/3.0")),
        ("no version", with("POST /hook")),
        ("no path", with("POST  HTTP/1.1")),
        ("a space in the path", with("POST /ho ok HTTP/1.1")),
        ("a NUL in the path", with("POST /ho\0ok HTTP/1.1")),
        ("a line feed in the path", with("POST /ho\nok HTTP/1.1")),
        ("a long request line", with(&format!("POST /{} HTTP/1.1", "h".repeat(100_000)))),
        ("a long header", with_header(format!("x: {}", "y".repeat(300_000)).as_bytes())),
        ("many headers", with_header(many.trim_end().as_bytes())),
        ("a NUL in a header", with_header(b"x: a\0b")),
        ("a NUL in a name", with_header(b"x\0: a")),
        ("a folded header", with_header(b"x: a\r\n b")),
        ("a header without a name", with_header(b": a")),
        ("a header without a colon", with_header(b"nonsense")),
        ("a space before the colon", with_header(b"x : a")),
        ("a half HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nXX".to_vec()),
        ("an HTTP/2 preface and garbage", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[255; 2000]].concat()),
    ] {
        let answers = raw_answers(gateway.address, &bytes).await;
        let refused = answers.iter().all(|status| (400..=505).contains(status));
        assert!(refused && answers.len() <= 1, "{case}: {answers:?}");
    }
    assert_unharmed(&gateway, &backend, 0).await;
}

#[tokio::test]
async fn bytes_beyond_ascii_in_a_header_are_passed_on_or_refused_but_do_no_harm() {
    let backend = Backend::scripted(|_| crate::common::Answer::Status(200)).await;
    let gateway = Gateway::before(&backend).await;
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let head = delivery("msg_1", "").without(name).head();
        let bytes = [head.as_bytes(), name.as_bytes(), b": \xff\xfe\r\ncontent-length: 0\r\n\r\n"].concat();
        assert_eq!(raw_answers(gateway.address, bytes).await, [400], "{name}");
    }
    for name in ["x-forwarded-for", "host", "connection", "countersign-verdict"] {
        let sent = delivery(&format!("msg_{name}"), "");
        let bytes = [sent.head().as_bytes(), name.as_bytes(), b": \xff\xfe\r\ncontent-length: 0\r\n\r\n"].concat();
        let answers = raw_answers(gateway.address, bytes).await;
        let status = if name == "host" { 400 } else { 200 };
        assert_eq!(answers, [status], "{name}");
    }
    for seen in backend.seen() {
        assert_eq!(seen.header("countersign-verdict"), Some("verified"));
        assert!(seen.header("x-forwarded-for").is_some_and(|chain| chain.ends_with("127.0.0.1")));
    }
}

#[tokio::test]
async fn targets_in_unusual_forms_are_routed_by_their_path_or_not_at_all() {
    let (gateway, backend) = open_to_all().await;
    let try_line = async |line: &str| {
        let sent = delivery("msg_form", "{}");
        let text = String::from_utf8(sent.bytes()).expect("ASCII");
        raw_answers(gateway.address, text.replacen("POST /hook HTTP/1.1", line, 1)).await
    };
    for line in [
        "POST * HTTP/1.1",
        "POST hook HTTP/1.1",
        "POST ../hook HTTP/1.1",
        "POST http:// HTTP/1.1",
        "POST http:///hook HTTP/1.1",
        "POST http://h/../hook HTTP/1.1",
        "POST http://h/%2e%2e/hook HTTP/1.1",
        "POST /a/..%2fhook HTTP/1.1",
        "POST /a\\..\\hook HTTP/1.1",
        "CONNECT hooks.example.com:443 HTTP/1.1",
        "CONNECT /hook HTTP/1.1",
        "CONNECT http://h/hook HTTP/1.1",
        "PRI * HTTP/1.1",
    ] {
        let answers = try_line(line).await;
        let refused = answers.iter().all(|status| [400, 404, 405].contains(status));
        assert!(refused && answers.len() <= 2, "{line}: {answers:?}");
    }
    assert_eq!(try_line("POST http://evil.example.com:1/a?b HTTP/1.1").await, [400]);
    assert_eq!(try_line("POST http://hooks.example.com:1/a?b HTTP/1.1").await, [400]);
    assert_eq!(backend.connections(), 0);
    assert_eq!(try_line("POST http://HOOKS.example.com:80/a?b HTTP/1.1").await, [200]);
    assert_eq!(backend.has_seen(1).await.request_line, "POST /a?b HTTP/1.1");
    assert_unharmed(&gateway, &backend, 1).await;
}

#[tokio::test]
async fn an_upgrade_is_not_granted() {
    let (gateway, backend) = open_to_all().await;
    for upgrade in ["h2c", "websocket", "TLS/1.2"] {
        let sent = delivery(&format!("msg_{}", &upgrade[..2]), "{}").set("upgrade", upgrade);
        let sent = sent.set("connection", "Upgrade, HTTP2-Settings").set("http2-settings", "AAMAAABkAAQAAP__");
        assert_eq!(raw_answers(gateway.address, sent.bytes()).await, [200]);
        let seen = backend.seen();
        let seen = seen.last().expect("it is genuine");
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn http_1_0_is_served_and_its_connection_closed() {
    let (gateway, backend) = open_to_all().await;
    let old = |sent: &Delivery| String::from_utf8(sent.bytes()).expect("ASCII").replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut raw = Raw::open(gateway.address).await;
    raw.write(old(&delivery("msg_1", "{}"))).await;
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::OK);
    assert!(raw.answer().await.is_none());
    assert_eq!(backend.has_seen(1).await.request_line, "POST /hook HTTP/1.1");
    let forged = Delivery::signed([OTHER_SECRET], 0, "msg_2", "{}");
    assert_eq!(raw_answers(gateway.address, old(&forged)).await, [401]);
    // HTTP/1.0 has no chunked encoding, and a body without a length would end with the connection.
    for framing in ["transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "\r\n{}"] {
        let head = delivery("msg_3", "{}").head().replacen("HTTP/1.1", "HTTP/1.0", 1);
        let answers = raw_answers(gateway.address, format!("{head}{framing}")).await;
        assert!(matches!(answers[..], [] | [400 | 401]), "{framing:?}: {answers:?}");
    }
    assert_unharmed(&gateway, &backend, 1).await;
}

#[tokio::test]
async fn a_sender_that_waits_for_100_continue_gets_it_if_its_head_is_good() {
    let (gateway, backend) = open_to_all().await;
    let sent = delivery("msg_1", "{}");
    let mut raw = Raw::open(gateway.address).await;
    raw.write(format!("{}expect: 100-continue\r\ncontent-length: 2\r\n\r\n", sent.head())).await;
    assert_eq!(raw.answer().await.expect("an interim answer").status, StatusCode::CONTINUE);
    assert_eq!(backend.connections(), 0);
    raw.write("{}").await;
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::OK);
    assert!(!backend.has_seen(1).await.headers.contains_key("expect"));
}

#[tokio::test]
async fn idle_and_half_open_connections_do_not_keep_others_out() {
    let (gateway, backend) = open_to_all().await;
    let mut idle = Vec::new();
    for n in 0..300 {
        let mut raw = Raw::open(gateway.address).await;
        let sent = delivery("msg_half", "{}");
        let half = [String::new(), sent.head(), format!("{}content-length: 2\r\n\r\n{{", sent.head())];
        raw.write(&half[n % 3]).await;
        idle.push(raw);
    }
    assert_unharmed(&gateway, &backend, 0).await;
}

#[tokio::test]
async fn a_burst_of_reset_streams_does_no_harm() {
    let (gateway, backend) = open_to_all().await;
    for _ in 0..20 {
        let mut raw = Raw::open(gateway.address).await;
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for stream in (1..200_u32).step_by(2) {
            // HEADERS with `:method: POST`, `:scheme: http`, `:path: /`, then RST_STREAM.
            bytes.extend([0, 0, 3, 1, 4]);
            bytes.extend(stream.to_be_bytes());
            bytes.extend([0x83, 0x86, 0x84]);
            bytes.extend([0, 0, 4, 3, 0]);
            bytes.extend(stream.to_be_bytes());
            bytes.extend(8_u32.to_be_bytes());
        }
        raw.write(bytes).await;
    }
    assert_unharmed(&gateway, &backend, 0).await;
}
