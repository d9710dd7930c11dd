//! A layer that observes passes every request byte for byte, and reports the outcome of enforcement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::common::{
    Client, Delivery, Failure, Framing, Handler, delivery, forgery, noise, reply, reporting, serve_axum, serve_hyper,
    setup, setup_with,
};
use bytes::Bytes;
use countersign::Verified;
use countersign::filter::EventFilter;
use countersign::replay::MemoryStore;
use countersign_tower::{
    BodyBudget, Outcome, Report,
    policy::{Observed, OnRejection},
};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

/// The parts of a request that the service saw.
#[derive(Clone, Debug)]
struct Saw {
    body: Bytes,
    trailers: Option<http::HeaderMap>,
    observed: Observed,
    verified: Option<Verified>,
    failed: bool,
}

type Seen = Arc<Mutex<Vec<Saw>>>;

/// A service that reads the whole request, and returns 200.
fn seeing<B>() -> (
    impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = Failure, Future: Send + 'static>
    + Clone
    + Send
    + Sync,
    Seen,
)
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    let seen = Seen::default();
    let service = service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<B>| {
            let seen = Arc::clone(&seen);
            async move {
                let (head, body) = request.into_parts();
                let observed = head.extensions.get::<Observed>().cloned().expect("every request is marked");
                let verified = head.extensions.get().cloned();
                let mut saw = Saw { body: Bytes::new(), trailers: None, observed, verified, failed: false };
                let mut body = Box::pin(body);
                let mut read = Vec::new();
                while let Some(frame) = body.frame().await {
                    match frame.map(http_body::Frame::into_data) {
                        Ok(Ok(data)) => read.extend(data),
                        Ok(Err(frame)) => saw.trailers = frame.into_trailers().ok(),
                        Err(_) => saw.failed = true,
                    }
                }
                saw.body = read.into();
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(saw);
                Ok(Response::new(Full::from("seen")))
            }
        }
    });
    (service, seen)
}

fn last(seen: &Seen) -> Saw {
    seen.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().expect("it was seen")
}

fn stopped(reason: &str, saw: &Saw) {
    match &saw.observed {
        Observed::Stopped(Outcome::Rejected(rejection)) => assert_eq!(rejection.code(), reason),
        Observed::Stopped(outcome) => assert_eq!(outcome.as_str(), reason),
        other => panic!("{reason}: {other:?}"),
    }
}

#[tokio::test]
async fn every_request_passes_byte_for_byte_with_the_outcome_of_enforcement() {
    let setup = setup();
    let told = Arc::<Mutex<Vec<&'static str>>>::default();
    let hook = {
        let told = Arc::clone(&told);
        move |report: &Report| told.lock().unwrap_or_else(PoisonError::into_inner).push(report.outcome().as_str())
    };
    let layer =
        setup.layer.clone().body_limit(1000).on_report(hook).events(EventFilter::new(["*"]).expect("a pattern"));
    let (service, seen) = seeing();
    let (addr, _server) = serve_hyper(layer.on_rejection(OnRejection::DangerHandOver).layer(service)).await;
    let cases: [(Option<&str>, bool, Delivery); 7] = [
        (None, true, delivery("msg_1", noise(900))),
        (Some("duplicate"), true, delivery("msg_1", noise(900))),
        (Some("signature_mismatch"), false, forgery("msg_2", noise(900))),
        (Some("missing_header"), false, delivery("msg_2", noise(900)).without("webhook-id")),
        (Some("missing_header"), false, Delivery::new(http::HeaderMap::new(), Bytes::new())),
        (Some("body_too_large"), false, delivery("msg_3", noise(200_000))),
        (
            Some("timestamp_too_old"),
            false,
            crate::common::delivery_at(crate::common::NOW - 999, "msg_4", noise(200_000)),
        ),
    ];
    for (reason, genuine, delivery) in cases {
        for framing in [Framing::Length, Framing::Chunked(700)] {
            if reason.is_none() && matches!(framing, Framing::Chunked(_)) {
                continue;
            }
            let reply = Client::connect(addr).await.deliver(&delivery, framing).await;
            assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b"seen"[..]), "{reason:?} {framing:?}");
            let saw = last(&seen);
            assert!(saw.body == delivery.body, "{reason:?} {framing:?}: {} bytes", saw.body.len());
            assert_eq!(saw.verified.is_some(), genuine, "{reason:?} {framing:?}");
            match reason {
                Some(reason) => stopped(reason, &saw),
                None => assert_eq!(saw.observed, Observed::Passed),
            }
        }
    }
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let expected = [&["confirmed", "duplicate", "duplicate"][..], &["refused"; 10]].concat();
    assert_eq!(told, expected, "each is reported once");
    assert_eq!((setup.store.len(), setup.store.in_flight()), (1, 0), "and claims are what they would be");
}

#[tokio::test]
async fn unwanted_events_pass_and_so_do_requests_beyond_the_store_or_the_budget() {
    let setup = setup_with(MemoryStore::builder().capacity(1).build());
    let (service, seen) = seeing();
    let events = EventFilter::new(["batch.*"]).expect("a pattern");
    let (layer, reports) = reporting(setup.layer.clone().events(events));
    let layer = layer.on_rejection(OnRejection::DangerHandOver);
    let batch = |id: &str| delivery(id, r#"{"type":"batch.failed"}"#);
    for (reason, delivery) in
        [("filtered", delivery("msg_1", r#"{"type":"other"}"#)), ("", batch("msg_2")), ("store_full", batch("msg_3"))]
    {
        let answer = layer.layer(service.clone()).oneshot(delivery.request()).await.expect("no failure");
        let answer = reply(answer).await;
        assert_eq!(&*answer.body, b"seen");
        let report = reports.last();
        let saw = last(&seen);
        assert_eq!((&saw.body, saw.verified.is_some()), (&delivery.body, true));
        if reason.is_empty() {
            assert_eq!((saw.observed, report.outcome()), (Observed::Passed, &Outcome::Confirmed));
        } else {
            stopped(reason, &saw);
            assert_eq!(saw.observed, Observed::Stopped(report.outcome().clone()));
        }
    }
    let budget = BodyBudget::new(100);
    let layer = setup.layer.body_budget(budget.clone()).body_limit(90).on_rejection(OnRejection::DangerHandOver);
    let answer = layer.layer(service.clone()).oneshot(batch("msg_4").with_body(noise(5000)).request()).await;
    assert_eq!(answer.expect("no failure").status(), StatusCode::OK);
    assert_eq!((last(&seen).body.len(), budget.in_use()), (5000, 0));
}

#[tokio::test]
async fn trailers_and_errors_pass_too() {
    let setup = setup();
    let (service, seen) = seeing();
    let (addr, _server) =
        serve_hyper(setup.layer.clone().on_rejection(OnRejection::DangerHandOver).layer(service)).await;
    for (id, secret) in [("msg_1", true), ("msg_2", false)] {
        let mut client = Client::connect(addr).await;
        let message = if secret { delivery(id, "body") } else { forgery(id, "body") };
        client.send_head(&message.add("trailer", "x-late"), Framing::Chunked(4)).await;
        client.send("4\r\nbody\r\n0\r\nx-late: yes\r\n\r\n").await;
        assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
        let saw = last(&seen);
        assert_eq!((&*saw.body, saw.trailers.expect("trailers")["x-late"].as_bytes()), (&b"body"[..], &b"yes"[..]));
    }
    // The error of a body is passed on.
    let mut client = Client::connect(addr).await;
    client.send_head(&delivery("msg_3", "body"), Framing::Length).await;
    client.send("bo").await;
    client.end().await;
    client.reply().await;
    let saw = last(&seen);
    assert_eq!((&*saw.body, saw.failed), (&b"bo"[..], true));
    stopped("body_unreadable", &saw);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_timed_out_is_still_passed_on_completely() {
    let setup = setup();
    let (service, seen) = seeing();
    let (addr, _server) =
        serve_hyper(setup.layer.clone().on_rejection(OnRejection::DangerHandOver).layer(service)).await;
    let mut client = Client::connect(addr).await;
    client.send_head(&delivery("msg_1", noise(1000)), Framing::Length).await;
    client.send(&noise(1000)[..400]).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    client.send(&noise(1000)[400..]).await;
    assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
    let saw = last(&seen);
    assert!(saw.body == noise(1000), "{} bytes", saw.body.len());
    stopped("body_timeout", &saw);
}

#[tokio::test]
async fn it_observes_in_axum_too_and_settles_by_the_response() {
    let setup = setup();
    let handler = Handler::with_actions([crate::common::Action::Status(500)]);
    let (addr, _server) = serve_axum(
        crate::common::router(&handler).layer(setup.layer.clone().on_rejection(OnRejection::DangerHandOver)),
    )
    .await;
    let mut client = Client::connect(addr).await;
    let message = delivery("msg_1", "body");
    assert_eq!(client.deliver(&message, Framing::Length).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(setup.store.is_empty());
    assert_eq!(client.deliver(&message, Framing::Length).await.status, StatusCode::OK);
    assert_eq!((setup.store.len(), handler.calls()), (1, 2));
}

#[tokio::test]
async fn the_service_is_polled_before_it_is_called_and_its_errors_are_returned() {
    let setup = setup();
    let failing = service_fn(|_| async { Err::<Response<Full<Bytes>>, _>(Failure) });
    let strict = tower::limit::ConcurrencyLimitLayer::new(1).layer(failing);
    let mut service = setup.layer.clone().on_rejection(OnRejection::DangerHandOver).layer(strict);
    for message in [delivery("msg_1", "body"), forgery("msg_2", "body")] {
        let _: Failure = service.call(message.request()).await.map(drop).expect_err("the service's own error");
    }
    assert!(setup.store.is_empty());
}
