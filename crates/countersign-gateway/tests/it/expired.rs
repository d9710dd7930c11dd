//! A secret that expires: deliveries that are signed with it are rejected, and the sender and the operator learn why.

use std::time::{Duration, UNIX_EPOCH};

use crate::common::{Backend, Delivery, InProcess, OTHER_SECRET, Running, SECRET, Wire, delivery, route, until};
use countersign::clock::{Clock, SystemClock};

#[tokio::test]
async fn a_delivery_that_fits_an_expired_secret_is_rejected_and_says_so() {
    let backend = Backend::start().await;
    let source = "[sources.test]\nsecrets = [\n{ env = \"TEST_SECRET\", label = \"current\" },\n\
                  { env = \"OTHER_SECRET\", label = \"old\", expires_at = \"2020-01-01T00:00:00Z\" },\n]\n";
    let gateway = InProcess::start(&[source, &route(&backend, "")].concat());
    let reply = gateway.send(&Delivery::signed([OTHER_SECRET], 0, "msg_1", "{}"), Wire::Http1Length).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "signature_mismatch"));
    let text = String::from_utf8(reply.body.to_vec()).expect("text");
    assert!(text.contains("expired"), "{text}");
    let matches = "countersign_expired_secret_matches_total{route=\"/hook\"}";
    assert_eq!(gateway.metric(matches).await, Some(1.0));
    until("the log says so", async || gateway.output().contains("expired_secret=true")).await;

    // A forged signature and the current secret do not count as matches.
    let forged = Delivery::signed(["whsec_q+3kf0PZc1c2nV6gTg0Lsw=="], 0, "msg_2", "{}");
    let reply = gateway.send(&forged, Wire::Http1Length).await;
    assert_eq!(reply.status, 401);
    assert!(!String::from_utf8(reply.body.to_vec()).expect("text").contains("expired"));
    let reply = gateway.send(&Delivery::signed([SECRET], 0, "msg_3", "{}"), Wire::Http1Length).await;
    assert_eq!(reply.status, 200);
    assert_eq!(gateway.metric(matches).await, Some(1.0));
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn how_many_secrets_are_live_and_when_they_expire_is_in_the_metrics() {
    let backend = Backend::start().await;
    for (expiry, live, seconds) in
        [("2020-01-01T00:00:00Z", 0.0, 1_577_836_800.0), ("2999-01-01T00:00:00Z", 1.0, 32_472_144_000.0)]
    {
        let source = format!(
            "[sources.test]\nsecrets = [{{ env = \"TEST_SECRET\", label = \"a\", expires_at = \"{expiry}\" }}]\n"
        );
        let gateway = InProcess::start(&[source, route(&backend, "")].concat());
        assert_eq!(gateway.figure("secrets_live", "test").await, Some(live));
        let at = "countersign_secret_expiry_timestamp_seconds{source=\"test\",key=\"a\"}";
        assert_eq!(gateway.metric(at).await, Some(seconds));
        let warned = gateway.output().contains("all secrets of `test` have expired");
        assert_eq!(warned, expiry.starts_with("2020"), "{}", gateway.output());
    }
}

#[tokio::test]
async fn a_secret_expires_while_the_gateway_runs() {
    let backend = Backend::start().await;
    let expires = UNIX_EPOCH + Duration::from_secs(SystemClock.now().as_secs() + 60);
    let at = humantime::format_rfc3339(expires);
    let source = format!(
        "[sources.test]\nsecrets = [{{ env = \"OTHER_SECRET\" }}, {{ env = \"TEST_SECRET\", expires_at = \"{at}\" }}]\n"
    );
    let gateway = InProcess::start(&[source, route(&backend, "")].concat());
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), Wire::Http1Length).await.status, 200);
    assert_eq!(gateway.figure("secrets_live", "test").await, Some(2.0));
    gateway.clock.advance(Duration::from_mins(1));
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), Wire::Http1Length).await.code(), "signature_mismatch");
    assert_eq!(gateway.figure("secrets_live", "test").await, Some(1.0));
    assert_eq!(backend.seen().len(), 1);
}
