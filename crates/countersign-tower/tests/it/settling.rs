//! A retry is not a replay: a 2xx response settles a delivery for good, and every other ending releases it.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::common::{
    Action, Client, Delivery, Failure, Framing, Handler, NOW, Stack, TestLayer, delivery, delivery_at, reported, send,
    serve_axum, serve_hyper, setup, start,
};
use axum::Router;
use axum::routing::post;
use countersign::replay::MemoryStore;
use countersign_tower::{Outcome, VerifyLayer};
use http::StatusCode;
use tokio::task::JoinSet;
use tower::timeout::TimeoutLayer;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

fn message() -> Delivery {
    delivery("msg_1", "body")
}

/// The next attempt at the same message: the same id and body, a new timestamp and signature.
fn retry() -> Delivery {
    delivery_at(NOW + 60, "msg_1", "body")
}

/// A retry after a failure reaches the handler.
async fn is_welcome(layer: &TestLayer, handler: &Handler) {
    let before = handler.calls();
    let reply = send(layer, handler, &retry()).await;
    assert_eq!((reply.status, handler.calls()), (StatusCode::OK, before + 1));
}

#[tokio::test]
async fn success_settles_a_delivery_for_good() {
    for status in [200, 201, 202, 204, 206, 299] {
        for stack in Stack::ALL {
            let (setup, handler) = (setup(), Handler::with_actions([Action::Status(status)]));
            let server = start(stack, &setup.layer, &handler).await;
            let mut client = Client::connect(server.addr).await;
            let first = client.deliver(&message(), Framing::Length).await;
            assert_eq!((first.status.as_u16(), first.outcome()), (status, None));
            for again in [message(), retry()] {
                let duplicate = client.deliver(&again, Framing::Length).await;
                assert_eq!((duplicate.status.as_u16(), duplicate.outcome()), (200, Some("duplicate")));
                assert!(duplicate.body.is_empty());
            }
            assert_eq!(handler.calls(), 1);
            let outcomes: Vec<_> = server.reports().iter().map(|(report, _)| report.outcome().clone()).collect();
            assert_eq!(outcomes, [Outcome::Confirmed, Outcome::Duplicate, Outcome::Duplicate]);
        }
    }
}

#[tokio::test]
async fn a_duplicate_is_acknowledged_for_as_long_as_ids_are_kept() {
    let (setup, handler) = (setup(), Handler::default());
    send(&setup.layer, &handler, &message()).await;
    setup.clock.advance(Duration::from_secs(24 * 60 * 60));
    let late = delivery_at(NOW + 24 * 3600, "msg_1", "body");
    assert_eq!(send(&setup.layer, &handler, &late).await.outcome(), Some("duplicate"));
    assert_eq!(handler.calls(), 1);
    setup.clock.advance(Duration::from_secs(2 * 60 * 60));
    let later = delivery_at(NOW + 26 * 3600, "msg_1", "body");
    assert_eq!(send(&setup.layer, &handler, &later).await.outcome(), None);
    assert_eq!(handler.calls(), 2);
}

#[tokio::test]
async fn any_other_status_releases_the_delivery() {
    for status in [302, 307, 400, 401, 404, 409, 410, 422, 429, 500, 503, 599] {
        for stack in Stack::ALL {
            let (setup, handler) = (setup(), Handler::with_actions([Action::Status(status)]));
            let server = start(stack, &setup.layer, &handler).await;
            let mut client = Client::connect(server.addr).await;
            let first = client.deliver(&message(), Framing::Length).await;
            assert_eq!((first.status.as_u16(), &*first.body, first.outcome()), (status, &b"handled"[..], None));
            let (report, rejection) = server.reports().pop().expect("it was reported");
            assert_eq!((report.outcome(), rejection), (&Outcome::Released, None));
            assert!(setup.store.is_empty());
            let second = client.deliver(&retry(), Framing::Length).await;
            assert_eq!((second.status.as_u16(), &*second.body), (200, &b"handled"[..]));
            assert_eq!(handler.calls(), 2);
        }
    }
}

#[tokio::test]
async fn an_unknown_path_in_the_router_releases_the_delivery() {
    let (setup, handler) = (setup(), Handler::default());
    let app = Router::new().route("/elsewhere", post(|| async {})).layer(setup.layer.clone());
    let (addr, _server) = serve_axum(app).await;
    let reply = Client::connect(addr).await.deliver(&message(), Framing::Length).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    is_welcome(&setup.layer, &handler).await;
}

#[tokio::test]
async fn an_error_of_the_service_releases_the_delivery() {
    let (setup, handler) = (setup(), Handler::with_actions([Action::Fail, Action::Fail]));
    let failure = setup.layer.layer(handler.clone()).oneshot(message().request()).await;
    failure.expect_err("the service's own error");
    assert!(setup.store.is_empty());

    let server = start(Stack::Hyper, &setup.layer, &handler).await;
    let mut client = Client::connect(server.addr).await;
    client.send_head(&message(), Framing::Length).await;
    client.send("body").await;
    assert!(client.reply().await.is_none(), "hyper disconnects");
    assert_eq!(handler.calls(), 2);
    is_welcome(&setup.layer, &handler).await;
}

#[test]
fn an_error_releases_the_claim_before_the_future_is_dropped() {
    let (setup, handler) = (setup(), Handler::with_actions([Action::Fail]));
    let mut future = pin!(setup.layer.layer(handler).oneshot(message().request()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(future.as_mut().poll(&mut cx), Poll::Ready(Err(Failure))));
    assert!(setup.store.is_empty());
}

#[tokio::test]
async fn a_panic_that_is_not_caught_releases_the_delivery() {
    for stack in Stack::ALL {
        for panic in [Action::PanicInCall, Action::PanicInFuture] {
            let (setup, handler) = (setup(), Handler::with_actions([panic]));
            let server = start(stack, &setup.layer, &handler).await;
            let mut client = Client::connect(server.addr).await;
            client.send_head(&message(), Framing::Length).await;
            client.send("body").await;
            assert!(client.reply().await.is_none(), "the connection is closed");
            assert_eq!(handler.calls(), 1);
            assert!(setup.store.is_empty());
            let reply = Client::connect(server.addr).await.deliver(&retry(), Framing::Length).await;
            assert_eq!((reply.status.as_u16(), handler.calls()), (200, 2));
        }
    }
}

#[tokio::test]
async fn a_panic_that_is_caught_outside_releases_the_delivery() {
    for panic in [Action::PanicInCall, Action::PanicInFuture] {
        let (setup, handler) = (setup(), Handler::with_actions([panic]));
        let app = CatchPanicLayer::new().layer(setup.layer.layer(handler.clone()));
        let (addr, _server) = serve_hyper(app).await;
        let mut client = Client::connect(addr).await;
        let reply = client.deliver(&message(), Framing::Length).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(setup.store.is_empty());
        let reply = client.deliver(&retry(), Framing::Length).await;
        assert_eq!((reply.status.as_u16(), handler.calls()), (200, 2));
    }
}

#[tokio::test]
async fn a_panic_that_is_caught_inside_is_a_response_like_others() {
    for panic in [Action::PanicInCall, Action::PanicInFuture] {
        let (setup, handler) = (setup(), Handler::with_actions([panic]));
        let app = setup.layer.layer(CatchPanicLayer::new().layer(handler.clone()));
        let (addr, _server) = serve_hyper(app).await;
        let reply = Client::connect(addr).await.deliver(&message(), Framing::Length).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        is_welcome(&setup.layer, &handler).await;
    }
}

#[test]
fn a_panic_releases_the_claim_even_if_its_future_is_kept() {
    let (setup, handler) = (setup(), Handler::with_actions([Action::PanicInFuture]));
    let mut future = Box::pin(setup.layer.layer(handler).oneshot(message().request()));
    let mut cx = Context::from_waker(Waker::noop());
    let panicked = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx).is_ready()));
    assert!(panicked.is_err());
    assert!(setup.store.is_empty());
    drop(future);
}

#[tokio::test]
async fn a_sender_that_disconnects_may_retry() {
    for stack in Stack::ALL {
        let setup = setup();
        let (handler, tell) = Handler::waiting();
        let server = start(stack, &setup.layer, &handler).await;
        let mut client = Client::connect(server.addr).await;
        client.send_head(&message(), Framing::Length).await;
        client.send("body").await;
        handler.called(1).await;
        drop(client);
        handler.dropped(1).await;
        assert!(tell.is_closed());
        let reply = Client::connect(server.addr).await.deliver(&retry(), Framing::Length).await;
        assert_eq!((reply.status.as_u16(), handler.calls()), (200, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_the_layer_releases_the_claim() {
    let setup = setup();
    let (handler, _tell) = Handler::waiting();
    let service = TimeoutLayer::new(Duration::from_secs(5)).layer(setup.layer.layer(handler.clone()));
    let error = service.oneshot(message().request()).await.expect_err("too slow");
    assert!(error.is::<tower::timeout::error::Elapsed>());
    assert!(setup.store.is_empty());
    is_welcome(&setup.layer, &handler).await;
}

#[tokio::test]
async fn a_claim_lasts_until_the_future_of_the_handler_is_dropped() {
    struct LastWords(std::sync::Arc<MemoryStore>, std::sync::mpsc::Sender<usize>);
    impl Drop for LastWords {
        fn drop(&mut self) {
            self.1.send(self.0.in_flight()).expect("a receiver listens");
        }
    }
    let setup = setup();
    let (said, heard) = std::sync::mpsc::channel();
    let handler = service_fn(|_| {
        let words = LastWords(setup.store.clone(), said.clone());
        async move {
            let _words = words;
            pending::<Result<http::Response<http_body_util::Full<bytes::Bytes>>, Failure>>().await
        }
    });
    {
        let mut future = pin!(setup.layer.layer(handler).oneshot(message().request()));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1], "another could have begun while this one cleans up");
    assert_eq!(setup.store.in_flight(), 0);
}

#[tokio::test]
async fn a_handler_that_outlives_its_lease_settles_nothing() {
    for stack in Stack::ALL {
        let setup = setup();
        let (slow, told_slow) = tokio::sync::oneshot::channel();
        let (quick, told_quick) = tokio::sync::oneshot::channel();
        let handler = Handler::with_actions([Action::Wait(told_slow), Action::Wait(told_quick)]);
        let server = start(stack, &setup.layer.clone().lease(Duration::from_secs(30)), &handler).await;
        let (mut first, mut second) = (Client::connect(server.addr).await, Client::connect(server.addr).await);
        first.send_head(&message(), Framing::Length).await;
        first.send("body").await;
        handler.called(1).await;

        setup.clock.advance(Duration::from_secs(29));
        assert_eq!(second.deliver(&message(), Framing::Length).await.code(), "in_flight");
        setup.clock.advance(Duration::from_secs(1));
        second.send_head(&retry(), Framing::Length).await;
        second.send("body").await;
        handler.called(2).await;

        // The first attempt succeeds late and changes nothing: the second is still being handled.
        slow.send(200).expect("it waits");
        assert_eq!(first.reply().await.expect("a response").status, StatusCode::OK);
        assert_eq!(server.reports().pop().expect("a report").0.outcome(), &Outcome::Unrecorded);
        assert_eq!(first.deliver(&retry(), Framing::Length).await.code(), "in_flight");

        quick.send(500).expect("it waits");
        assert_eq!(second.reply().await.expect("a response").status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(second.deliver(&retry(), Framing::Length).await.outcome(), None, "so a retry is still handled");
        assert_eq!(handler.calls(), 3);
    }
}

#[tokio::test]
async fn the_default_lease_is_a_minute() {
    let (setup, layer, reports) = reported();
    let (handler, tell) = Handler::waiting();
    let mut first = pin!(layer.layer(handler.clone()).oneshot(message().request()));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(VerifyLayer::DEFAULT_LEASE, Duration::from_secs(60));
    setup.clock.advance(Duration::from_millis(59_999));
    assert_eq!(send(&setup.layer, &handler, &message()).await.code(), "in_flight");
    // It is late, but no other attempt has claimed it, so it is confirmed.
    setup.clock.advance(Duration::from_millis(1));
    tell.send(200).expect("it waits");
    first.await.expect("no failure");
    assert_eq!(reports.last().outcome(), &Outcome::Confirmed);
    assert_eq!(send(&setup.layer, &handler, &message()).await.outcome(), Some("duplicate"));
}

#[tokio::test]
async fn sources_that_share_a_store_do_not_share_ids() {
    let (setup, handler) = (setup(), Handler::default());
    let other =
        VerifyLayer::new(crate::common::verifier("other")).store(setup.store.clone()).clock(setup.clock.clone());
    for layer in [&setup.layer, &other] {
        assert_eq!(send(layer, &handler, &message()).await.outcome(), None);
        assert_eq!(send(layer, &handler, &message()).await.outcome(), Some("duplicate"));
    }
    assert_eq!(handler.calls(), 2);
}

// Two threads, so that claims run in parallel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_simultaneous_copies_one_is_handled() {
    for stack in Stack::ALL {
        let setup = setup();
        let (handler, tell) = Handler::waiting();
        let server = start(stack, &setup.layer, &handler).await;
        let mut senders = JoinSet::new();
        for _ in 0..50 {
            let mut client = Client::connect(server.addr).await;
            senders.spawn(async move {
                let reply = client.deliver(&message(), Framing::Length).await;
                (reply.status.as_u16(), reply.outcome().map(str::to_owned))
            });
        }
        // All others get their responses while the one is handled.
        for _ in 0..49 {
            let (status, _) = senders.join_next().await.expect("a sender").expect("no panic");
            assert_eq!(status, 409);
        }
        tell.send(200).expect("it waits");
        assert_eq!(senders.join_next().await.expect("the last one").expect("no panic"), (200, None));
        // Later copies, also simultaneous ones, are duplicates.
        for _ in 0..50 {
            let addr = server.addr;
            senders.spawn(async move {
                let reply = Client::connect(addr).await.deliver(&retry(), Framing::Chunked(1)).await;
                (reply.status.as_u16(), reply.outcome().map(str::to_owned))
            });
        }
        while let Some(answer) = senders.join_next().await {
            assert_eq!(answer.expect("no panic"), (200, Some("duplicate".to_owned())));
        }
        assert_eq!(handler.calls(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_copies_that_race_one_is_handled_in_any_timing() {
    for round in 0..20 {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(Stack::Hyper, &setup.layer, &handler).await;
        let mut senders = JoinSet::new();
        for _ in 0..50 {
            let addr = server.addr;
            senders.spawn(async move { Client::connect(addr).await.deliver(&message(), Framing::Length).await });
        }
        let mut fresh = 0;
        while let Some(reply) = senders.join_next().await {
            let reply = reply.expect("no panic");
            match (reply.status.as_u16(), reply.outcome()) {
                (200, None) => fresh += 1,
                (200, Some("duplicate")) => {}
                _ => assert_eq!(reply.code(), "in_flight"),
            }
        }
        assert_eq!((fresh, handler.calls()), (1, 1), "round {round}");
    }
}
