//! A rejected request gets the status and headers of its reason, and never reaches the handler.

use std::collections::HashSet;
use std::time::Duration;

use crate::common::{
    Client, Delivery, Framing, Handler, NOW, Reply, Stack, delivery, delivery_at, forgery, noise, reported, send,
    setup, setup_with, start,
};
use countersign::Reason;
use countersign::filter::EventFilter;
use countersign::replay::MemoryStore;
use countersign_test::statuses::status_of;
use countersign_tower::{Outcome, Rejection, Report};
use http::StatusCode;

/// At least one delivery for every reason.
fn rejected() -> Vec<(&'static str, Reason, Delivery)> {
    let good = || delivery("msg_1", "body");
    let signature = good().headers["webhook-signature"].to_str().expect("visible ASCII").to_owned();
    let zeros = "A".repeat(86);
    let token = format!("{zeros}.{zeros}.{zeros}");
    let many = [signature.as_str(); 33].join(" ");
    let long = "m".repeat(257);
    vec![
        ("no headers", Reason::MissingHeader, Delivery { headers: http::HeaderMap::new(), ..good() }),
        ("no id", Reason::MissingHeader, good().without("webhook-id")),
        ("no timestamp", Reason::MissingHeader, good().without("webhook-timestamp")),
        ("no signature", Reason::MissingHeader, good().without("webhook-signature")),
        ("two ids", Reason::DuplicateHeader, good().add("webhook-id", "msg_2")),
        ("the same id twice", Reason::DuplicateHeader, good().add("webhook-id", "msg_1")),
        ("two timestamps", Reason::DuplicateHeader, good().add("webhook-timestamp", "1")),
        ("two signatures", Reason::DuplicateHeader, good().add("webhook-signature", &signature)),
        ("an empty id", Reason::MalformedId, good().set("webhook-id", "")),
        ("an id with a dot", Reason::MalformedId, good().set("webhook-id", "msg.1")),
        ("an id with a space", Reason::MalformedId, good().set("webhook-id", "msg 1")),
        ("an id that is too long", Reason::MalformedId, good().set("webhook-id", &long)),
        ("no number", Reason::MalformedTimestamp, good().set("webhook-timestamp", "soon")),
        ("a signed number", Reason::MalformedTimestamp, good().set("webhook-timestamp", "-1700000000")),
        ("a huge number", Reason::MalformedTimestamp, good().set("webhook-timestamp", &"9".repeat(19))),
        ("a second too old", Reason::TimestampTooOld, delivery_at(NOW - 301, "msg_1", "body")),
        ("a second too new", Reason::TimestampTooNew, delivery_at(NOW + 301, "msg_1", "body")),
        ("an empty signature", Reason::MalformedSignature, good().set("webhook-signature", "")),
        ("a signature cut off", Reason::MalformedSignature, good().set("webhook-signature", &signature[..40])),
        ("many signatures", Reason::MalformedSignature, good().set("webhook-signature", &many)),
        ("an unknown version", Reason::UnsupportedScheme, good().set("webhook-signature", "v9,YWJj")),
        ("v1a", Reason::UnsupportedScheme, good().set("webhook-signature", &format!("v1a,{zeros}=="))),
        ("a token", Reason::UnsupportedScheme, good().set("webhook-signature", &token)),
        ("another secret", Reason::SignatureMismatch, forgery("msg_1", "body")),
        ("another id", Reason::SignatureMismatch, good().set("webhook-id", "msg_2")),
        ("another time", Reason::SignatureMismatch, good().set("webhook-timestamp", &(NOW + 1).to_string())),
        ("another body", Reason::SignatureMismatch, good().with_body("Body")),
        ("no body", Reason::SignatureMismatch, good().with_body("")),
    ]
}

/// Checks everything that all rejections have in common.
fn is_rejection(why: &str, reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status.as_u16(), &*reply.code()), (status, code), "{why}");
    assert_eq!(reply.header("www-authenticate").is_some(), status == 401, "{why}: {reply:?}");
    let retry_after = reply.header("retry-after").map(|secs| secs.parse::<u64>().expect("seconds"));
    assert_eq!(
        retry_after.is_some_and(|secs| (1..=60).contains(&secs)),
        matches!(status, 409 | 503),
        "{why}: {reply:?}"
    );
    assert_eq!(reply.outcome(), None, "{why}: nothing was acknowledged");
    assert!(reply.status != StatusCode::GONE && !reply.status.is_redirection(), "{why}: senders misread these");
}

/// The parts of a response that an outer layer sees.
fn is_reported(why: &str, report: &Report, rejection: Option<&Rejection>, code: &str) {
    let rejection = rejection.expect("the rejection is in the response's extensions");
    assert_eq!(report.outcome(), &Outcome::Rejected(*rejection), "{why}");
    assert_eq!(report.rejection(), Some(rejection), "{why}");
    assert_eq!(rejection.code(), code, "{why}");
}

#[tokio::test]
async fn every_reason_has_its_status_and_its_headers() {
    let reasons: HashSet<_> = rejected().iter().map(|(_, reason, ..)| reason.as_str()).collect();
    // The reasons that need public keys are in `keys.rs`.
    let of_keys =
        |name: &&str| name.starts_with("token_") || ["unknown_key", "body_not_bound", "body_too_large"].contains(name);
    let all: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).filter(|name| !of_keys(name)).collect();
    assert_eq!(reasons, all, "each reason has its case");
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        for (why, reason, delivery) in rejected() {
            let reply = Client::connect(server.addr).await.deliver(&delivery, Framing::Length).await;
            is_rejection(why, &reply, status_of(reason), reason.as_str());
            let (report, rejection) = server.reports().pop().expect("it was reported");
            is_reported(why, &report, rejection.as_ref(), reason.as_str());
            assert!(
                matches!(rejection, Some(Rejection::Unverified(rejection)) if rejection.reason() == reason),
                "{why}"
            );
            assert!(report.verified().is_none(), "{why}: nothing was verified");
            // A body is hashed only if the request can still be authentic.
            assert_eq!(report.verification_time().is_some(), reason == Reason::SignatureMismatch, "{why}");
        }
        assert_eq!(handler.calls(), 0);
        assert!(setup.store.is_empty(), "an unverified request is not in the store");
    }
}

#[tokio::test]
async fn a_response_repeats_nothing_that_the_sender_sent() {
    let (setup, handler) = (setup(), Handler::default());
    let delivery = forgery("msg_<script>", "<script>").set("user-agent", "<script>");
    let reply = send(&setup.layer, &handler, &delivery).await;
    assert_eq!(reply.code(), "signature_mismatch");
    let body = String::from_utf8(reply.body.to_vec()).expect("text");
    assert!(!body.contains("script"), "{body}");
    // In particular, it does not contain the correct signature.
    let right = crate::common::delivery("msg_<script>", "<script>").headers["webhook-signature"].clone();
    assert!(!body.contains(&right.to_str().expect("visible ASCII")[3..20]), "{body}");
}

#[tokio::test]
async fn the_tolerance_is_exact_to_the_second() {
    for secs in [NOW - 300, NOW + 300] {
        let (setup, handler) = (setup(), Handler::default());
        let reply = send(&setup.layer, &handler, &delivery_at(secs, "msg_1", "body")).await;
        assert_eq!((reply.status, handler.calls()), (StatusCode::OK, 1));
    }
}

#[tokio::test]
async fn the_age_of_a_delivery_counts_when_it_arrives() {
    let (setup, handler) = (setup(), Handler::default());
    let server = start(Stack::Hyper, &setup.layer, &handler).await;
    let mut client = Client::connect(server.addr).await;
    let last = delivery_at(NOW - 300, "msg_1", "body");
    client.send_head(&last.clone().add("expect", "100-continue"), Framing::Length).await;
    assert_eq!(client.reply().await.expect("a word").status, StatusCode::CONTINUE, "the head was accepted");
    setup.clock.advance(Duration::from_secs(5));
    client.send(&last.body).await;
    assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let ((_, layer, reports), handler) = (reported(), Handler::default());
    let reply = send(&layer.body_limit(10), &handler, &delivery("msg_1", noise(11))).await;
    is_rejection("too large", &reply, 413, "body_too_large");
    is_reported("too large", &reports.last(), reply.extensions.get(), "body_too_large");
    assert_eq!(handler.calls(), 0);
}

#[tokio::test]
async fn a_delivery_in_flight_is_rejected_with_retry_after() {
    for stack in Stack::ALL {
        let setup = setup();
        let (handler, tell) = Handler::waiting();
        let server = start(stack, &setup.layer, &handler).await;
        let (mut first, mut second) = (Client::connect(server.addr).await, Client::connect(server.addr).await);
        let delivery = delivery("msg_1", "body");
        first.send_head(&delivery, Framing::Length).await;
        first.send(&delivery.body).await;
        handler.called(1).await;

        let reply = second.deliver(&delivery, Framing::Length).await;
        is_rejection("in flight", &reply, 409, "in_flight");
        let (report, rejection) = server.reports().pop().expect("it was reported");
        is_reported("in flight", &report, rejection.as_ref(), "in_flight");
        assert_eq!(report.verified().map(|verified| verified.message_id().as_str()), Some("msg_1"), "it was authentic");

        tell.send(200).expect("the handler waits for it");
        assert_eq!(first.reply().await.expect("a response").status, StatusCode::OK);
        assert_eq!(second.deliver(&delivery, Framing::Length).await.outcome(), Some("duplicate"));
        assert_eq!(handler.calls(), 1);
    }
}

#[tokio::test]
async fn a_full_store_rejects_new_messages_and_still_recognizes_duplicates() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup_with(MemoryStore::builder().capacity(1).build()), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let mut client = Client::connect(server.addr).await;
        let first = delivery("msg_1", "body");
        assert_eq!(client.deliver(&first, Framing::Length).await.status, StatusCode::OK);

        let reply = client.deliver(&delivery("msg_2", "body"), Framing::Length).await;
        is_rejection("full", &reply, 503, "store_full");
        let (report, rejection) = server.reports().pop().expect("it was reported");
        is_reported("full", &report, rejection.as_ref(), "store_full");

        assert_eq!(client.deliver(&first, Framing::Length).await.outcome(), Some("duplicate"));
        assert_eq!(handler.calls(), 1);
    }
}

#[tokio::test]
async fn unwanted_events_are_acknowledged_without_the_handler() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let events = EventFilter::new(["batch.*"]).expect("good patterns");
        let server = start(stack, &setup.layer.clone().events(events), &handler).await;
        let mut client = Client::connect(server.addr).await;
        for (n, body) in
            [r#"{"type":"video.generated"}"#, r#"{"type":"batch"}"#, r#"{"type":"x"}"#].into_iter().enumerate()
        {
            let reply = client.deliver(&delivery(&format!("msg_{n}"), body), Framing::Length).await;
            assert_eq!((reply.status.as_u16(), reply.outcome()), (204, Some("filtered")), "{body}");
            assert!(reply.body.is_empty());
            let (report, rejection) = server.reports().pop().expect("it was reported");
            assert_eq!((report.outcome(), rejection), (&Outcome::Filtered, None));
            assert!(report.verified().is_some(), "{body}: only what is genuine is acknowledged");
            assert!(!report.is_untyped(), "{body}");
        }
        assert_eq!(handler.calls(), 0);
        assert!(setup.store.is_empty(), "an unhandled request is not in the store");

        let wanted = delivery("msg_1", r#"{"type":"batch.succeeded"}"#);
        let reply = client.deliver(&wanted, Framing::Length).await;
        assert_eq!((reply.status.as_u16(), reply.outcome(), handler.calls()), (200, None, 1));

        let forged = forgery("msg_9", r#"{"type":"video.generated"}"#);
        let reply = client.deliver(&forged, Framing::Length).await;
        is_rejection("a filter is for what was verified", &reply, 401, "signature_mismatch");
    }
}

#[tokio::test]
async fn a_request_that_the_handler_responds_to_has_a_report_and_no_rejection() {
    let (_, layer, reports) = reported();
    let reply = send(&layer, &Handler::default(), &delivery("msg_1", "body")).await;
    let report = reports.last();
    assert_eq!(report.outcome(), &Outcome::Confirmed);
    assert_eq!(report.verified().map(|verified| verified.message_id().as_str()), Some("msg_1"));
    assert!(report.verification_time().is_some());
    assert!(report.rejection().is_none() && reply.extensions.get::<Rejection>().is_none());
    assert_eq!(reply.outcome(), None, "the response is the handler's own");
}
