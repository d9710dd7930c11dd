//! The content of reports, for every outcome.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use countersign_tower::{Outcome, PerRequest, Rejection, Report, VerifyLayer, report::FailureCode};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{Action, Failure, Handler, delivery, forgery, reported, reporting, send, setup, verifier};

#[tokio::test]
async fn a_report_of_a_rejection_names_path_and_source_too() {
    let layer = VerifyLayer::new(PerRequest::new(|head| (head.uri.path() == "/hook").then(|| verifier("one"))));
    let (layer, reports) = reporting(layer);
    let request = |uri: &str, body: &'static str| {
        let mut request = forgery("msg_1", body).request();
        *request.uri_mut() = uri.parse().expect("a URI");
        request
    };
    for (uri, path, source, reason, status) in [
        ("http://hooks.example/hook?token=1", "/hook", Some("one"), "timestamp_too_old", 401),
        ("/nobody", "/nobody", None, "unknown_source", 404),
        ("*", "*", None, "unknown_source", 404),
    ] {
        layer.layer(Handler::default()).oneshot(request(uri, "body")).await.expect("no failure");
        let report = reports.last();
        assert_eq!((report.path(), report.source()), (path, source), "{uri}");
        assert_eq!(report.rejection().map(Rejection::code), Some(reason), "{uri}");
        assert_eq!(report.status().map(|status| status.as_u16()), Some(status), "{uri}");
    }
}

#[tokio::test]
async fn a_report_has_the_status_and_the_latency() {
    let (setup, layer, reports) = reported();
    let clock = Arc::clone(&setup.clock);
    let slow = service_fn(move |_| {
        clock.advance(Duration::from_millis(250));
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response.extensions_mut().insert(FailureCode("upstream_down"));
        std::future::ready(Ok::<_, Failure>(response))
    });
    layer.layer(slow).oneshot(delivery("msg_1", "body").request()).await.expect("no failure");
    let report = reports.last();
    assert_eq!((report.outcome(), report.status()), (&Outcome::Released, Some(StatusCode::BAD_GATEWAY)));
    assert_eq!((report.latency(), report.failure()), (Duration::from_millis(250), Some("upstream_down")));
    assert_eq!((report.source(), report.was_deferred()), (Some("test"), false));

    // An abandoned request has a report without a status.
    let (waiting, _tell) = Handler::waiting();
    {
        let mut future = pin!(layer.layer(waiting).oneshot(delivery("msg_2", "body").request()));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        setup.clock.advance(Duration::from_secs(3));
    }
    let report = reports.last();
    assert_eq!((report.outcome(), report.status()), (&Outcome::Abandoned, None));
    assert_eq!(report.latency(), Duration::from_secs(3));
    assert_eq!(report.verified().map(|verified| verified.message_id().as_str()), Some("msg_2"));
    assert_eq!(reports.all().len(), 2);
}

#[tokio::test]
async fn a_hook_for_each_request_sees_its_head() {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let lines = Arc::clone(&told);
    let layer = setup().layer.on_request(move |head| {
        let (lines, peer) = (Arc::clone(&lines), head.extensions.get::<&'static str>().copied());
        move |report: &Report| {
            let line = format!("{peer:?} {}", report.outcome().as_str());
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    let mut service = layer.layer(Handler::with_actions([Action::Status(500)]));
    for (message, peer) in [(delivery("msg_1", "body"), "one"), (forgery("msg_2", "body"), "other")] {
        let mut request: Request<_> = message.request();
        request.extensions_mut().insert(peer);
        service.call(request).await.expect("no failure");
    }
    send(&layer, &Handler::default(), &delivery("msg_3", "body")).await;
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(told, [r#"Some("one") released"#, r#"Some("other") refused"#, "None confirmed"]);
}
