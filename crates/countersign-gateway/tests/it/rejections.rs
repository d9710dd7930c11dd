//! Requests are verified before they are forwarded. For a rejected request, the gateway does not even connect to the
//! backend.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{
    BODY, Backend, Delivery, Gateway, InProcess, Issuer, OTHER_SECRET, Publish, Publisher, Raw, Running, SECRET,
    SOURCE, Wire, delivery, raw_answers, read, route, until,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign::Reason;
use countersign::clock::{Clock, SystemClock};
use countersign::replay::StoreErrorKind;
use countersign_test::statuses::status_of;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep};

/// Deliveries that cannot be verified, each with the reason for its rejection.
fn unverifiable() -> Vec<(Reason, Delivery)> {
    let good = || delivery("msg_1", "{}");
    let signature = |text: &str| good().set("webhook-signature", text);
    let off = |seconds| Delivery::signed([SECRET], seconds, "msg_1", "{}");
    vec![
        (Reason::MissingHeader, good().without("webhook-id")),
        (Reason::MissingHeader, good().without("webhook-timestamp")),
        (Reason::MissingHeader, good().without("webhook-signature")),
        (Reason::DuplicateHeader, good().add("webhook-id", "msg_1")),
        (Reason::DuplicateHeader, good().add("webhook-timestamp", "1")),
        (Reason::DuplicateHeader, good().add("webhook-signature", "v1,AAAA")),
        (Reason::MalformedId, good().set("webhook-id", "msg.1")),
        (Reason::MalformedId, good().set("webhook-id", &"m".repeat(257))),
        (Reason::MalformedTimestamp, good().set("webhook-timestamp", "-1")),
        (Reason::MalformedTimestamp, good().set("webhook-timestamp", "99999999999999999999")),
        (Reason::TimestampTooOld, off(-302)),
        (Reason::TimestampTooNew, off(310)),
        (Reason::MalformedSignature, signature("v1")),
        (Reason::MalformedSignature, signature(&"v1,AAAA ".repeat(33))),
        (Reason::UnsupportedScheme, signature("v9,AAAA")),
        (Reason::UnsupportedScheme, signature(&format!("v1a,{}==", "A".repeat(86)))),
        (Reason::SignatureMismatch, signature(&format!("v1,{}=", "A".repeat(43)))),
        (Reason::SignatureMismatch, Delivery::signed([OTHER_SECRET], 0, "msg_1", "{}")),
        (Reason::SignatureMismatch, good().with_body("{ }")),
        (Reason::SignatureMismatch, good().set("webhook-id", "msg_2")),
    ]
}

/// The same with tokens, as this issuer's keys allow them.
fn tokens(issuer: &Issuer) -> Vec<(Reason, Delivery)> {
    let now = SystemClock.now().as_secs();
    let sent = |token: &str| delivery("msg_1", BODY).set("webhook-signature", token);
    let claims = |changes: &[(&str, Value)]| {
        let mut claims: Value = serde_json::from_str(BODY).expect("JSON");
        let good = [("iss", json!("https://issuer")), ("aud", json!("https://hook")), ("iat", json!(now))];
        for (name, value) in good.iter().chain(changes) {
            claims[name] = value.clone();
        }
        claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        claims
    };
    let claiming = |changes: &[(&str, Value)]| sent(&issuer.token(&claims(changes)));
    let good = issuer.token(&claims(&[]));
    let (head, rest) = good.split_once('.').expect("a token");
    let (_, signature) = rest.split_once('.').expect("a token");
    let with_header = |header: Value| sent(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string())));
    let forged = URL_SAFE_NO_PAD.encode(claims(&[("jti", json!("other"))]).to_string());
    vec![
        (Reason::UnknownKey, sent(&issuer.token_naming("key-9", &claims(&[])))),
        (Reason::UnknownKey, with_header(json!({ "alg": "RS256" }))),
        (Reason::TokenMalformed, sent("a.b.c")),
        (Reason::TokenMalformed, with_header(json!({ "alg": "RS256", "kid": "rsa-1", "crit": ["b64"] }))),
        (Reason::TokenAlgorithm, with_header(json!({ "alg": "none" }))),
        (Reason::TokenAlgorithm, with_header(json!({ "alg": "HS256", "kid": "rsa-1" }))),
        (Reason::SignatureMismatch, sent(&format!("{head}.{forged}.{signature}"))),
        (Reason::TokenIssuer, claiming(&[("iss", json!("https://else"))])),
        (Reason::TokenIssuer, claiming(&[("iss", Value::Null)])),
        (Reason::TokenAudience, claiming(&[("aud", json!(["https://else"]))])),
        (Reason::TokenUntimed, claiming(&[("iat", Value::Null)])),
        (Reason::TokenExpired, claiming(&[("exp", json!(now - 100))])),
        (Reason::TokenNotYetValid, claiming(&[("nbf", json!(now + 1000))])),
        (Reason::TimestampTooOld, claiming(&[("iat", json!(now - 1000))])),
        (Reason::TimestampTooNew, claiming(&[("iat", json!(now + 1000))])),
        (Reason::BodyNotBound, claiming(&[("data", json!("else"))])),
        (Reason::BodyNotBound, sent(&good).with_body("{}")),
    ]
}

#[tokio::test]
async fn what_cannot_be_verified_reaches_no_backend() {
    let (backend, issuer) = (Backend::start().await, Issuer::new("rsa-1"));
    let publisher = Publisher::start(Publish::keys(&[issuer.jwk()])).await;
    let token = "token = { audience = [\"https://hook\"], issuer = [\"https://issuer\"] }\n";
    let gateway = InProcess::start(&[SOURCE, &publisher.entry(""), token, &route(&backend, "")].concat());
    // A source with a secret is ready without its key set.
    until("the key set is there", async || gateway.figure("key_set_keys", "test").await == Some(1.0)).await;
    let cases = [unverifiable(), tokens(&issuer)].concat();
    // This reason depends on the number of Ed25519 keys, and has a test of its own.
    let reasons = || Reason::ALL.iter().filter(|reason| **reason != Reason::BodyTooLarge);
    for reason in reasons() {
        assert!(cases.iter().any(|(covered, ..)| covered == reason), "there is no case for {reason}");
    }
    for wire in Wire::ALL {
        for (reason, delivery) in &cases {
            let status = status_of(*reason);
            let reply = gateway.send(delivery, wire).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, reason.as_str()), "{delivery:?}");
            assert_eq!(reply.header("www-authenticate").is_some(), status == 401, "{reason}");
        }
    }
    assert_eq!(backend.connections(), 0);
    for reason in reasons() {
        let expected = cases.iter().filter(|(covered, ..)| covered == reason).count() * Wire::ALL.len();
        assert_eq!(gateway.count("refused", reason.as_str()).await.to_string(), expected.to_string(), "{reason}");
    }
    // Rejected requests claim no id, so the authentic delivery is still new.
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await.outcome(), None);
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn a_hopeless_head_is_refused_before_its_body_comes() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let mut raw = Raw::open(gateway.address).await;
    let old = Delivery::signed([SECRET], -1000, "msg_1", "{}");
    raw.write(format!("{}expect: 100-continue\r\ncontent-length: 2\r\n\r\n", old.head())).await;
    let reply = raw.answer().await.expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNAUTHORIZED, "timestamp_too_old"));
    assert_eq!(backend.connections(), 0);
}

/// A body that arrives byte by byte, with a pause before each.
struct Dripping {
    left: Bytes,
    is_announced: bool,
    pause: Pin<Box<Sleep>>,
}

impl Dripping {
    const PAUSE: Duration = Duration::from_millis(100);

    fn new(bytes: &Bytes, is_announced: bool) -> Self {
        Self { left: bytes.clone(), is_announced, pause: Box::pin(tokio::time::sleep(Self::PAUSE)) }
    }
}

impl Body for Dripping {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        std::task::ready!(self.pause.as_mut().poll(cx));
        self.pause = Box::pin(tokio::time::sleep(Self::PAUSE));
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(1)))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_announced { SizeHint::with_exact(self.left.len() as u64) } else { SizeHint::default() }
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the time that is paused is Tokio's")]
async fn a_body_that_takes_too_long_reaches_no_backend_however_steadily_it_arrives() {
    let backend = Backend::start().await;
    let gateway = InProcess::before_with(&backend, "body_timeout = \"300ms\"");
    let sent = delivery("msg_1", "0123456789");
    for (wire, is_announced) in [(Wire::Http1Length, true), (Wire::Http1Chunked, false)] {
        let started = Instant::now();
        let response = gateway.call(wire.received(&sent).map(|_| Dripping::new(&sent.body, is_announced))).await;
        let reply = read(response).await.expect("a whole response");
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::REQUEST_TIMEOUT, "body_timeout"));
        assert_eq!(started.elapsed(), Duration::from_millis(300));
    }
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_no_backend() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let sent = delivery("msg_1", "0123456789");
    for broken in ["content-length: 10\r\n\r\n01234", "transfer-encoding: chunked\r\n\r\nzz\r\n"] {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(format!("{}{broken}", sent.head())).await;
        raw.finish().await;
        let _ = raw.rest().await;
    }
    until("both are counted", async || gateway.count("refused", "body_unreadable").await >= 2.0).await;
    assert_eq!(backend.connections(), 0);
    assert_eq!(gateway.send(&sent, Wire::Http1Length).await.status, StatusCode::OK);
}

#[tokio::test]
async fn no_route_and_another_method_reach_no_backend() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    for wire in Wire::ALL {
        let reply = gateway.send(&delivery("msg_1", "{}").to("/other"), wire).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_FOUND, "no_route"));
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "HOOK"] {
        let mut request = Wire::Http1Length.received(&delivery("msg_1", "{}"));
        *request.method_mut() = method.parse().expect("a method");
        let reply = read(gateway.call(request).await).await.expect("a whole response");
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"));
        assert_eq!(reply.header("allow"), Some("POST"));
    }
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_full_store_refuses_what_is_new_and_forgets_nothing() {
    let backend = Backend::start().await;
    let source = format!("{SOURCE}replay = {{ capacity = 1 }}\n");
    let gateway = InProcess::start(&[source.as_str(), &route(&backend, "")].concat());
    let wire = Wire::Http1Length;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), wire).await.status, StatusCode::OK);
    let reply = gateway.send(&delivery("msg_2", "{}"), wire).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_full"));
    assert!(reply.header("retry-after").is_some());
    assert!(String::from_utf8_lossy(&reply.body).contains(&StoreErrorKind::Full.to_string()));
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), wire).await.outcome(), Some("duplicate"));
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn a_store_that_fills_is_logged_when_that_changes_and_concerns_its_source_alone() {
    let (backend, tell) = Backend::holding().await;
    let other = "[sources.other]\nsecrets = [{ env = \"OTHER_SECRET\" }]\n";
    let source = format!("{SOURCE}replay = {{ capacity = 1 }}\n{other}");
    let other_route = route(&backend, "").replace("/hook", "/other").replace("\"test\"", "\"other\"");
    let gateway = InProcess::start(&[source.as_str(), &route(&backend, ""), &other_route].concat());
    let try_send = async |sent: &Delivery| gateway.send(sent, Wire::Http1Length).await;
    let lines = |text: &str| gateway.output().lines().filter(|line| line.contains(text)).count();
    let (full, has_room) = ("the replay store is full", "the replay store has room again");
    assert_eq!(gateway.figure("store_capacity", "test").await, Some(1.0));
    assert_eq!(gateway.figure("store_capacity", "other").await, Some(1_000_000.0));

    let held = tokio::spawn(gateway.send(&delivery("msg_0", "{}"), Wire::Http1Length));
    backend.has_seen(1).await;
    assert_eq!(gateway.figure("ids_remembered", "test").await, Some(1.0));
    for id in 1..=20 {
        assert_eq!(try_send(&delivery(&format!("msg_{id}"), "{}")).await.code(), "store_full");
    }
    // The same ids from another source, whose store has room.
    for id in 1..=20 {
        let sent = Delivery::signed([OTHER_SECRET], 0, &format!("msg_{id}"), "{}").to("/other");
        assert_eq!(try_send(&sent).await.status, StatusCode::OK);
    }
    let refused = "countersign_requests_total{route=\"/hook\",outcome=\"refused\",reason=\"store_full\"}";
    assert_eq!(gateway.metric(refused).await, Some(20.0));

    // The delivery that filled the store fails, another takes its place, and the store is full again.
    tell.send(500).expect("the backend waits");
    held.await.expect("no panic");
    assert_eq!(try_send(&delivery("msg_1", "{}")).await.status, StatusCode::OK);
    for id in 2..=20 {
        assert_eq!(try_send(&delivery(&format!("msg_{id}"), "{}")).await.code(), "store_full");
    }
    assert_eq!((lines(full), lines(has_room)), (2, 1), "{}", gateway.output());
    let output = gateway.output();
    let line = output.lines().find(|line| line.contains(full)).expect("a line");
    assert!(line.contains("WARN") && line.contains("source=\"test\"") && line.contains("capacity=1"), "{line}");
}

#[tokio::test]
async fn a_forged_request_does_not_choose_how_it_is_rejected() {
    let backend = Backend::start().await;
    let gateway = InProcess::before(&backend);
    let forged = |content_type: &str| {
        Delivery::signed([OTHER_SECRET], 0, "msg_1", &b"\0\0\0\0\0"[..]).set("content-type", content_type)
    };
    let types = ["application/grpc", "application/grpc+proto", "application/grpc-web", "Application/GRPC;x=y"];
    for wire in Wire::ALL {
        for content_type in types {
            for (sent, status, code) in [
                (forged(content_type), 401, "signature_mismatch"),
                (forged(content_type).without("webhook-id"), 400, "missing_header"),
            ] {
                let reply = gateway.send(&sent, wire).await;
                assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{content_type} {wire:?}");
                assert_eq!(reply.header("grpc-status"), None, "{content_type} {wire:?}");
            }
        }
    }
    assert_eq!(backend.connections(), 0);
    // Verified requests are forwarded even if their body does not match the content type. Duplicates are acknowledged.
    for (n, body) in [&b""[..], b"\0\0\0\0\x01a\0\0\0\0\0", b"\0\0\0\0\x05a"].into_iter().enumerate() {
        let sent = delivery(&format!("msg_{n}"), body).set("content-type", "application/grpc");
        assert_eq!(gateway.send(&sent, Wire::Http2Length).await.status, StatusCode::OK, "{body:?}");
        let again = gateway.send(&sent, Wire::Http2Length).await;
        assert_eq!((again.outcome(), again.header("grpc-status"), &*again.body), (Some("duplicate"), None, &b""[..]));
    }
    assert_eq!(backend.seen().len(), 3);

    // A route with `grpc` rejects gRPC calls with `grpc-status`, and all other requests as before.
    let gateway = InProcess::before_with(&backend, "grpc = true");
    let reply = gateway.send(&forged("application/grpc"), Wire::Http2Length).await;
    assert_eq!((reply.status, reply.header("grpc-status")), (StatusCode::OK, Some("16")));
    assert_eq!(reply.header("countersign-code"), Some("signature_mismatch"));
    for (wire, content_type) in [(Wire::Http1Length, "application/grpc"), (Wire::Http2Length, "application/json")] {
        let reply = gateway.send(&forged(content_type), wire).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "signature_mismatch"), "{content_type}");
    }
    assert_eq!(backend.seen().len(), 3);
}

#[tokio::test]
async fn what_is_no_http_is_counted_and_logged_with_what_it_probably_is() {
    let gateway = Gateway::before(&Backend::start().await).await;
    let binary =
        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".as_slice(), &[127, 0, 0, 1, 127, 0, 0, 1, 1, 1, 2, 2]].concat();
    for (reason, hint, bytes) in [
        ("tls_on_plain", "hint=\"the client speaks TLS", &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3][..]),
        (
            "unexpected_proxy_header",
            "hint=\"the client speaks the PROXY protocol",
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
        ),
        ("unexpected_proxy_header", "hint=\"the client speaks the PROXY protocol", &binary),
        ("malformed_request", "peer=127.0.0.1", b"NO HTTP\r\n\r\n"),
        ("malformed_request", "peer=127.0.0.1", &[0x16, 9, 9, 9, b'\r', b'\n']),
    ] {
        let name = format!("countersign_requests_total{{route=\"none\",outcome=\"refused\",reason=\"{reason}\"}}");
        let before = gateway.metric(&name).await.unwrap_or(0.0);
        let lines = || {
            let is_one = |line: &&str| line.contains(&format!("reason=\"{reason}\"")) && line.contains(hint);
            gateway.output().lines().filter(is_one).count()
        };
        let logged = lines();
        assert_eq!(raw_answers(gateway.address, bytes).await, [400], "{reason}");
        until("it is counted", async || gateway.metric(&name).await == Some(before + 1.0)).await;
        until("it is logged", async || lines() == logged + 1).await;
    }
}
