//! A trusted proxy reports who the client is; nobody else can.

use crate::common::{Backend, Gateway, Running, SOURCE, Wire, delivery, route};
use http::StatusCode;

const EVENT: &str = r#"{"type":"batch.succeeded","data":{"id":"batch_1"}}"#;

/// The gateway with these trusted proxies, and a route for one host.
async fn behind(proxies: &str, backend: &Backend, more: &str) -> Gateway {
    let server = format!("trusted_proxies = [{proxies}]");
    let route = route(backend, &format!("host = \"hooks.example.org\"\n{more}"));
    Gateway::start_with(&server, &[SOURCE, &route].concat(), &["--log", "text"]).await
}

#[tokio::test]
async fn a_trusted_proxy_reports_the_client_to_the_route_the_backend_and_the_log() {
    let backend = Backend::start().await;
    let gateway = behind("\"127.0.0.0/8\", \"192.0.2.7\"", &backend, "").await;
    for (wire, headers) in Wire::ALL.into_iter().zip([
        &[
            ("x-forwarded-for", "127.0.0.9, 198.51.100.1, 192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "hooks.example.org"),
            ("x-forwarded-port", "8443"),
        ][..],
        &[("forwarded", "for=198.51.100.1;proto=https;host=\"hooks.example.org:8443\", for=192.0.2.7")],
        &[("x-forwarded-for", "198.51.100.1"), ("forwarded", "proto=https;host=\"hooks.example.org:8443\"")],
        &[("forwarded", "for=\"198.51.100.1:9\";host=\"hooks.example.org:8443\";proto=https")],
    ]) {
        let mut sent = delivery(&format!("msg_{wire:?}"), EVENT);
        for (name, value) in headers {
            sent = sent.set(name, value);
        }
        let before = backend.seen().len();
        assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK, "{wire:?}");
        let seen = backend.has_seen(before + 1).await;
        assert_eq!(seen.header("x-forwarded-for"), Some("198.51.100.1"), "{wire:?}");
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"), "{wire:?}");
        assert_eq!(seen.header("x-forwarded-port"), Some("8443"), "{wire:?}");
        assert!(seen.header("x-forwarded-host").is_some_and(|host| host.starts_with("hooks.example.org")), "{wire:?}");
        assert_eq!(seen.header("forwarded"), None);
    }
    assert_eq!(gateway.output().matches("peer=198.51.100.1").count(), 4, "{}", gateway.output());
}

#[tokio::test]
async fn an_opened_chain_ends_with_the_proxy() {
    let backend = Backend::start().await;
    let gateway = behind("\"127.0.0.1\"", &backend, "forward_headers = [\"x-forwarded-for\"]").await;
    let mut sent = delivery("msg_1", EVENT).set("x-forwarded-for", "10.9.9.9, 198.51.100.1");
    sent.host = "hooks.example.org".into();
    assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
    let seen = backend.has_seen(1).await;
    assert_eq!(seen.header("x-forwarded-for"), Some("10.9.9.9, 198.51.100.1, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-host"), Some("hooks.example.org"));
}

#[tokio::test]
async fn nobody_else_can_report_a_client() {
    let backend = Backend::start().await;
    let gateway = behind("\"192.0.2.7\"", &backend, "").await;
    let sent = delivery("msg_1", EVENT).set("x-forwarded-host", "hooks.example.org");
    assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::NOT_FOUND);
    let mut sent = delivery("msg_2", EVENT).set("x-forwarded-for", "198.51.100.1").set("x-forwarded-proto", "https");
    sent.host = "hooks.example.org".into();
    assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
    let seen = backend.has_seen(1).await;
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert!(!gateway.output().contains("198.51.100.1"), "{}", gateway.output());
}
