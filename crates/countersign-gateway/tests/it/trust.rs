//! The headers that a backend gets with a delivery, and that a client cannot forge them.

use crate::common::{
    Backend, Delivery, Gateway, InProcess, OTHER_SECRET, Raw, Running, SECRET, SOURCE, Seen, Wire, delivery, route,
};
use http::StatusCode;

const EVENT: &str = r#"{"type":"batch.succeeded","data":{"id":"batch_1"}}"#;

/// Delivers, and returns the request that the backend saw.
async fn through(gateway: &impl Running, backend: &Backend, sent: &Delivery, wire: Wire) -> Seen {
    let before = backend.seen().len();
    assert_eq!(gateway.send(sent, wire).await.status, StatusCode::OK);
    backend.has_seen(before + 1).await
}

/// The names of the headers that could be taken for the gateway's own.
fn vouching(seen: &Seen) -> Vec<String> {
    let names = seen.headers.keys().map(|name| name.as_str().replace('_', "-"));
    let mut names: Vec<_> = names.filter(|name| name.starts_with("countersign-")).collect();
    names.sort_unstable();
    names
}

const ALL: [&str; 7] = [
    "countersign-event-type",
    "countersign-key",
    "countersign-message-id",
    "countersign-scheme",
    "countersign-source",
    "countersign-timestamp",
    "countersign-verdict",
];

#[tokio::test]
async fn a_backend_is_told_what_was_verified() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    for wire in Wire::ALL {
        let sent = delivery(&format!("msg_{wire:?}"), EVENT).set("content-type", "application/json").set("x-mine", "1");
        let seen = through(&gateway, &backend, &sent, wire).await;
        assert_eq!(vouching(&seen), ALL);
        for (name, value) in [
            ("countersign-verdict", "verified"),
            ("countersign-source", "test"),
            ("countersign-scheme", "v1"),
            ("countersign-key", "TEST_SECRET"),
            ("countersign-message-id", sent.id()),
            ("countersign-timestamp", sent.headers["webhook-timestamp"].to_str().expect("digits")),
            ("countersign-event-type", "batch.succeeded"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "hooks.example.com"),
            ("host", &backend.address().to_string()),
            ("content-type", "application/json"),
            ("x-mine", "1"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{name} {wire:?}");
        }
        // The webhook headers stay, so that the backend can verify the request itself.
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            assert_eq!(seen.headers.get(name), sent.headers.get(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_forged_verdict_does_not_reach_the_backend_however_it_is_spelled() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let forged = [
        "countersign-verdict",
        "Countersign-Verdict",
        "COUNTERSIGN_VERDICT",
        "countersign_verdict",
        "countersign-source",
        "countersign_source",
        "Countersign-Event_Type",
        "countersign-message-id",
        "countersign_message_id",
        "countersign-anything",
        "countersign-",
    ];
    let mut raw = Raw::open(gateway.address).await;
    let sent = delivery("msg_1", "no event");
    let lines = forged.join(": forged\r\n") + ": forged\r\n";
    // Before and after the authentic headers.
    let (line, headers) = sent.head().split_once("\r\n").map(|(l, h)| (l.to_owned(), h.to_owned())).expect("a head");
    raw.write(format!("{line}\r\n{lines}{headers}{lines}content-length: 8\r\n\r\nno event")).await;
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::OK);
    let seen = backend.has_seen(1).await;
    assert_eq!(vouching(&seen), ALL[1..]);
    assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");

    let sent = forged.iter().fold(delivery("msg_2", EVENT), |sent, name| sent.add(&name.to_lowercase(), "forged"));
    let seen = through(&gateway, &backend, &sent, Wire::Http2Length).await;
    assert!(vouching(&seen) == ALL && !format!("{seen:?}").contains("forged"), "{seen:?}");
}

#[tokio::test]
async fn what_was_signed_is_not_said_again_in_another_spelling() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    let spellings = [
        "webhook_id",
        "webhook.id",
        "webhook!id",
        "webhook--id",
        "webhook__id",
        "-webhook-id",
        "webhook-id-",
        "webhookid",
        "http_webhook_id",
        "webhook%2did",
        "webhook_timestamp",
        "webhook~timestamp",
        "webhook_signature",
        "webhook.signature",
        "x_forwarded_for",
        "x.forwarded.for",
        "x__forwarded_for",
        "x-forwarded_host",
        "x.forwarded.proto",
        "countersign",
        "countersign.source",
        "countersign~verdict",
        "countersign!key",
        "_countersign_verdict",
        "countersignverdict",
        "countersign-event.type",
        "content_type",
        "content.encoding",
        "content_length",
        "transfer_encoding",
        "x+host",
    ];
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        let sent =
            spellings.iter().fold(delivery(&format!("msg_{wire:?}"), EVENT), |sent, name| sent.add(name, "forged"));
        let seen = through(&gateway, &backend, &sent, wire).await;
        assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
        assert_eq!((seen.id(), seen.header("x-forwarded-for")), (sent.id(), Some("127.0.0.1")));
    }
}

#[tokio::test]
async fn naming_a_verdict_as_hop_by_hop_does_not_remove_it() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    let mut listed = ALL.join(", ");
    listed.push_str(", webhook-id, Webhook-Timestamp, webhook-signature, content-type, content-encoding");
    listed.push_str(", x-forwarded-for, x-forwarded-host, x-forwarded-proto, content-length, host, close, x-hop");
    let sent = delivery("msg_1", EVENT).set("connection", &listed).set("x-hop", "1").set("keep-alive", "timeout=5");
    let sent = sent.set("proxy-connection", "keep-alive").set("te", "trailers").set("upgrade", "h2c");
    let sent = sent.set("content-type", "application/json").set("content-encoding", "identity");
    let seen = through(&gateway, &backend, &sent, Wire::Http1Length).await;
    assert_eq!(vouching(&seen), ALL);
    for name in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "content-length", "host"] {
        assert!(seen.header(name).is_some(), "{name}");
    }
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-encoding"] {
        assert_eq!(seen.headers.get(name), sent.headers.get(name), "{name}");
    }
    for name in ["connection", "x-hop", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn the_event_type_is_left_out_where_there_is_none_that_is_visible_ascii() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    for (n, body) in [
        "",
        "no json",
        "[]",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":null}"#,
        r#"{"type":""}"#,
        r#"{"type":"a b"}"#,
        r#"{"type":"gr\u00fcn"}"#,
        "{\"type\":\"gr\u{fc}n\"}",
        r#"{"type":"a\r\ncountersign-key: forged"}"#,
        r#"{"type":"a\u0000"}"#,
        r#"{"type":"a\tb"}"#,
        r#"{"type":"a","type":"b"}"#,
        r#"{"Type":"a"}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let sent = delivery(&format!("msg_{n}"), body);
        let seen = through(&gateway, &backend, &sent, Wire::Http1Length).await;
        assert_eq!(vouching(&seen), ALL[1..], "{body}");
        assert_eq!(seen.header("countersign-key"), Some("TEST_SECRET"));
    }
    let long = |len| delivery(&format!("msg_{len}"), format!("{{\"type\":\"{}\"}}", "x".repeat(len)));
    assert_eq!(vouching(&through(&gateway, &backend, &long(256), Wire::Http1Length).await), ALL);
    assert_eq!(vouching(&through(&gateway, &backend, &long(100_000), Wire::Http1Length).await), ALL[1..]);
    let sent = delivery("msg_escaped", r#"{"data":{"type":"inner"},"type":"bat\u0063h.failed"}"#);
    let seen = through(&gateway, &backend, &sent, Wire::Http1Length).await;
    assert_eq!(seen.header("countersign-event-type"), Some("batch.failed"));
}

/// A delivery with forged headers about the path of the request.
fn with_a_way(id: &str) -> Delivery {
    let sent = delivery(id, EVENT).add("x-forwarded-for", "192.0.2.1, 192.0.2.2").add("x-forwarded-for", "192.0.2.3");
    let sent = sent.add("x-forwarded-proto", "https").add("x-forwarded-host", "front.example.com");
    sent.add("x-forwarded-port", "443").add("x-real-ip", "192.0.2.1").add("forwarded", "for=192.0.2.1")
}

#[tokio::test]
async fn what_a_client_says_of_its_way_is_replaced_unless_the_route_opens_it() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        let seen = through(&gateway, &backend, &with_a_way(&format!("msg_{wire:?}")), wire).await;
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
        assert_eq!(seen.header("x-forwarded-host"), Some("hooks.example.com"));
        for name in ["x-forwarded-port", "x-real-ip", "forwarded"] {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
    }

    let names = "\"X-Forwarded-For\", \"x-forwarded-proto\", \"x-forwarded-host\", \"x-forwarded-port\"";
    let gateway = InProcess::before_with(&backend, &format!("forward_headers = [{names}]"));
    let spelled = with_a_way("msg_1").add("x_forwarded_proto", "forged").add("x.forwarded.port", "forged");
    let seen = through(&gateway, &backend, &spelled, Wire::Http1Length).await;
    assert_eq!(seen.header("x-forwarded-for"), Some("192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("front.example.com"));
    assert_eq!(seen.header("x-forwarded-port"), Some("443"));
    assert!(!seen.headers.contains_key("x-real-ip") && !format!("{seen:?}").contains("forged"), "{seen:?}");
    // The entries of the proxy stay, and those of the client before them are dropped.
    let before = delivery("msg_4", EVENT).add("x-forwarded-host", "forged").add("x-forwarded-proto", "forged");
    let mut before = before.add("x-forwarded-host", "front.example.com").add("x-forwarded-proto", "https");
    let chain = http::HeaderValue::from_bytes(b"\xff, 192.0.2.1").expect("a value");
    before.headers.insert("x-forwarded-for", chain);
    let seen = through(&gateway, &backend, &before, Wire::Http2Length).await;
    assert_eq!(seen.header("x-forwarded-for"), Some("unknown, 192.0.2.1, 127.0.0.1"));
    let single = |name| seen.headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(single("x-forwarded-host"), ["front.example.com"]);
    assert_eq!(single("x-forwarded-proto"), ["https"]);
    // A client cannot remove the headers that the proxy sets. Headers that the proxy does not set are added.
    let listed = with_a_way("msg_2").add("connection", "x-forwarded-proto, x-forwarded-for");
    let seen = through(&gateway, &backend, &listed, Wire::Http1Length).await;
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    let seen = through(&gateway, &backend, &delivery("msg_3", EVENT), Wire::Http1Length).await;
    assert_eq!((seen.header("x-forwarded-for"), seen.header("x-forwarded-proto")), (Some("127.0.0.1"), Some("http")));
}

#[tokio::test]
async fn what_steers_a_backend_is_removed_unless_the_route_opens_it_by_name() {
    let steering = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-original-uri",
        "x-original-host",
        "x-original-method",
        "x-host",
        "x-forwarded-prefix",
        "x-forwarded-server",
        "x-forwarded-user",
        "x-forwarded-email",
        "x-forwarded-groups",
        "x-forwarded-access-token",
        "x-forwarded-client-cert",
        "x-forwarded",
        "forwarded",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-remote-user",
        "remote-user",
        "x-authenticated-user",
        "x-auth-request-email",
        "x-amzn-oidc-data",
        "x-ms-client-principal-name",
        "x-goog-authenticated-user-email",
        "x-goog-iap-jwt-assertion",
        "x-ssl-client-verify",
        "ssl-client-cert",
        "x-client-cert",
        "proxy",
        "x-middleware-subrequest",
        "x-envoy-original-path",
        "x-sendfile",
        "x-accel-redirect",
        "front-end-https",
        "x-url-scheme",
        "x-scheme",
        "svix-id",
        "proxy-authorization",
        "x_original_url",
        "X.Rewrite.Url",
        "remote_user",
        "x_real_ip",
    ];
    let innocent =
        ["user-agent", "traceparent", "authorization", "x-request-id", "webhook-topic", "ce-type", "x_other"];
    let backend = Backend::start().await;
    let all =
        |id: &str| steering.iter().chain(&innocent).fold(delivery(id, EVENT), |sent, name| sent.add(name, "told"));
    let told = |seen: &Seen| {
        let told = seen.headers.iter().filter(|(_, value)| *value == "told").map(|(name, _)| name.to_string());
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        told
    };
    let mut expected: Vec<_> = innocent.map(str::to_owned).to_vec();
    expected.sort_unstable();
    let gateway = InProcess::before(&backend);
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        assert_eq!(told(&through(&gateway, &backend, &all(&format!("msg_{wire:?}")), wire).await), expected);
    }
    let gateway = InProcess::before_with(&backend, "forward_headers = [\"x-real-ip\", \"X-Original-URL\"]");
    expected.extend(["x-original-url".to_owned(), "x-real-ip".to_owned()]);
    expected.sort_unstable();
    assert_eq!(told(&through(&gateway, &backend, &all("msg_1"), Wire::Http1Length).await), expected);
}

#[tokio::test]
async fn a_header_that_reads_like_an_opened_one_does_not_reach_the_backend() {
    let backend = Backend::start().await;
    let gateway = InProcess::before_with(&backend, "forward_headers = [\"X-Tenant\", \"x-mine\"]");
    for wire in [Wire::Http1Length, Wire::Http2Length] {
        let sent = delivery(&format!("msg_{wire:?}"), EVENT).add("x-tenant", "front").add("x-mine", "front");
        let spellings = ["x.tenant", "X--Tenant", "x_tenant", "HTTP_X_TENANT", "xtenant", "x_mine", "x%2dmine"];
        let sent = spellings.iter().fold(sent, |sent, name| sent.add(&name.to_lowercase(), "forged"));
        let seen = through(&gateway, &backend, &sent, wire).await;
        assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
        assert_eq!((seen.header("x-tenant"), seen.header("x-mine")), (Some("front"), Some("front")));
    }
}

#[tokio::test]
async fn during_a_rotation_either_secret_verifies_and_is_named_until_it_expires() {
    let backend = Backend::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("old.secret");
    std::fs::write(&file, format!("{OTHER_SECRET}\n")).expect("a file");
    let wire = Wire::Http1Length;

    let source = |expires: &str| {
        let old = format!("{{ file = \"{}\", expires_at = {expires} }}", file.display());
        format!("[sources.test]\nsecrets = [{{ env = \"TEST_SECRET\", label = \"2026-11\" }}, {old}]\n")
    };
    let gateway = InProcess::start(&[source("\"2999-01-01T00:00:00Z\""), route(&backend, "")].concat());
    for (n, secrets, key) in [
        (0, vec![SECRET], "2026-11"),
        (1, vec![OTHER_SECRET], "old.secret"),
        (2, vec![OTHER_SECRET, SECRET], "2026-11"),
    ] {
        let sent = Delivery::signed(secrets, 0, &format!("msg_{n}"), EVENT);
        assert_eq!(through(&gateway, &backend, &sent, wire).await.header("countersign-key"), Some(key));
    }
    // A retry that is signed with the other secret is the same delivery.
    let retry = Delivery::signed([SECRET], 0, "msg_1", EVENT);
    assert_eq!(gateway.send(&retry, wire).await.outcome(), Some("duplicate"));

    let gateway = InProcess::start(&[source("2020-01-01T00:00:00Z"), route(&backend, "")].concat());
    let reply = gateway.send(&Delivery::signed([OTHER_SECRET], 0, "msg_4", EVENT), wire).await;
    assert_eq!(reply.code(), "signature_mismatch");
    let sent = Delivery::signed([OTHER_SECRET, SECRET], 0, "msg_5", EVENT);
    assert_eq!(through(&gateway, &backend, &sent, wire).await.header("countersign-key"), Some("2026-11"));
}

#[tokio::test]
async fn a_path_and_a_query_arrive_as_they_were_sent() {
    let backend = Backend::start().await;
    let text = route(&backend, "").replace("/hook", "/in/*");
    let gateway = InProcess::start(&[SOURCE, &text].concat());
    for (n, path) in ["/in/", "/in/a%20b?x=1&y=%2F", "/in/a//b;c?", "/in/~%7Ex?../..%00%ff"].into_iter().enumerate() {
        let sent = delivery(&format!("msg_{n}"), EVENT).to(path);
        for wire in [Wire::Http1Length, Wire::Http2Length] {
            let reply = gateway.send(&sent, wire).await;
            assert_eq!(reply.status, StatusCode::OK, "{path} {wire:?}");
        }
        assert_eq!(backend.has_seen(n + 1).await.request_line, format!("POST {path} HTTP/1.1"));
    }
}

#[tokio::test]
async fn without_a_connection_the_backend_gets_no_address_of_the_sender() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    let sent = delivery("msg_1", EVENT).add("x-forwarded-for", "192.0.2.1");
    let response = gateway.call_unconnected(Wire::Http1Length.received(&sent)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let seen = backend.has_seen(1).await;
    assert_eq!(vouching(&seen), ALL);
    assert_eq!((seen.header("x-forwarded-for"), seen.header("x-forwarded-proto")), (None, Some("http")));
}
