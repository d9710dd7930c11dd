//! With `detach`, a layer runs a delivery to its end after its sender has disconnected.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use crate::common::{
    Client, Delivery, Failure, Framing, Handler, NOW, delivery, delivery_at, reported, serve_hyper, soon,
};
use bytes::Bytes;
use countersign::replay::conformance::{Delay, LateStore};
use countersign_tower::{DeliveryBody, detach::DetachedTask, policy::ConfirmAt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use tokio::sync::{oneshot, watch};
use tower::{Layer, ServiceExt, service_fn};

fn message() -> Delivery {
    delivery("msg_1", "body")
}

/// The number of detached tasks, and how many of them have ended.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Left {
    begun: usize,
    ended: usize,
}

/// Runs detached work in tasks, and counts them.
fn spawner() -> (impl Fn(DetachedTask) + Clone + Send + 'static, watch::Receiver<Left>) {
    let (count, counted) = watch::channel(Left::default());
    let spawn = move |rest: DetachedTask| {
        let count = count.clone();
        count.send_modify(|left| left.begun += 1);
        tokio::spawn(async move {
            // A task that panics has ended too.
            drop(tokio::spawn(rest).await);
            count.send_modify(|left| left.ended += 1);
        });
    };
    (spawn, counted)
}

#[tokio::test]
async fn a_delivery_settles_by_its_outcome_after_its_sender_has_disconnected() {
    for (status, outcome, kept) in [(200, "confirmed", 1), (500, "released", 0)] {
        let (setup, layer, reports) = reported();
        let (handler, tell) = Handler::waiting();
        let (spawn, mut left_alone) = spawner();
        let (addr, _server) = serve_hyper(layer.detach(spawn).layer(handler.clone())).await;
        let client = Client::begin(addr, &message()).await;
        handler.called(1).await;
        drop(client);
        // An early retry does not reach the handler.
        let retry = delivery_at(NOW + 60, "msg_1", "body");
        let meanwhile = Client::connect(addr).await.deliver(&retry, Framing::Length).await;
        assert_eq!(&*meanwhile.code(), "in_flight");
        soon(left_alone.wait_for(|left| left.begun == 1)).await.expect("the test holds it");
        tell.send(status).expect("it is still working");
        soon(left_alone.wait_for(|left| left.ended == 1)).await.expect("the test holds it");
        assert_eq!(reports.so_far(), ["refused", outcome]);
        assert_eq!((setup.store.len(), setup.store.in_flight()), (kept, 0));
        assert_eq!(handler.calls(), 1);
    }
}

#[tokio::test]
async fn a_body_whose_end_settles_is_read_to_its_end() {
    for (status, outcome, kept) in [(200, "confirmed", 1), (500, "released", 0)] {
        let (setup, layer, reports) = reported();
        let (handler, tell) = Handler::waiting();
        let (spawn, mut left_alone) = spawner();
        let layer = layer.confirm_at(ConfirmAt::BodyEnd).detach(spawn);
        let (addr, _server) = serve_hyper(layer.layer(handler.clone())).await;
        let client = Client::begin(addr, &message()).await;
        handler.called(1).await;
        drop(client);
        soon(left_alone.wait_for(|left| left.begun == 1)).await.expect("the test holds it");
        tell.send(status).expect("it is still working");
        soon(left_alone.wait_for(|left| left.ended == 1)).await.expect("the test holds it");
        assert_eq!((reports.so_far(), setup.store.len(), setup.store.in_flight()), (vec![outcome], kept, 0));
    }
}

#[tokio::test]
async fn a_call_whose_client_has_disconnected_is_settled_by_its_trailers() {
    for (grpc_status, outcome, kept) in [("0", "confirmed", 1), ("13", "released", 0)] {
        let (setup, layer, reports) = reported();
        let (tell, told) = oneshot::channel::<()>();
        let told = Arc::new(Mutex::new(Some(told)));
        let handler = service_fn(move |_: Request<DeliveryBody>| {
            let told = told.lock().unwrap_or_else(PoisonError::into_inner).take().expect("one call");
            async move {
                told.await.expect("told to respond");
                let trailers = HeaderMap::from_iter([(
                    HeaderName::from_static("grpc-status"),
                    HeaderValue::from_static(grpc_status),
                )]);
                let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(std::future::ready(Some(Ok(trailers))));
                Ok::<_, Failure>(Response::new(body))
            }
        });
        let (spawn, mut left_alone) = spawner();
        let mut request = delivery("msg_1", Bytes::from_static(&[0; 5])).request();
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut future = Box::pin(layer.grpc(true).detach(spawn).layer(handler).oneshot(request));
        assert!(future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        drop(future);
        tell.send(()).expect("it is still working");
        soon(left_alone.wait_for(|left| left.ended == 1)).await.expect("the test holds it");
        assert_eq!((reports.so_far(), setup.store.len(), setup.store.in_flight()), (vec![outcome], kept, 0));
    }
}

#[tokio::test]
async fn a_delivery_is_handled_if_its_sender_disconnects_during_the_claim() {
    let (setup, layer, reports) = reported();
    let delay = Delay { polls_before: 2, polls_after: 2, is_lost: false };
    let layer = layer.store(LateStore::new(Arc::clone(&setup.store), [delay]));
    let (handler, (spawn, mut left_alone)) = (Handler::default(), spawner());
    let mut future = Box::pin(layer.detach(spawn).layer(handler.clone()).oneshot(message().request()));
    assert!(future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
    drop(future);
    soon(left_alone.wait_for(|left| left.ended == 1)).await.expect("the test holds it");
    assert_eq!((handler.calls(), reports.so_far()), (1, vec!["confirmed"]));
    assert_eq!((setup.store.len(), setup.store.in_flight()), (1, 0));
}

#[tokio::test]
async fn a_delivery_whose_sender_stays_has_no_task_and_gets_its_response() {
    let (setup, layer, reports) = reported();
    let (handler, spawned) = (Handler::default(), watch::channel(0).0);
    let spawn = {
        let spawned = spawned.clone();
        move |_: DetachedTask| spawned.send_modify(|spawned| *spawned += 1)
    };
    let (addr, _server) = serve_hyper(layer.detach(spawn).layer(handler)).await;
    let reply = Client::connect(addr).await.deliver(&message(), Framing::Length).await;
    assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b"handled"[..]));
    assert_eq!((reports.so_far(), setup.store.len(), *spawned.borrow()), (vec!["confirmed"], 1, 0));
}

#[tokio::test]
async fn a_panic_after_the_sender_has_disconnected_releases_the_delivery() {
    let (setup, layer, reports) = reported();
    let (tell, told) = oneshot::channel::<()>();
    let told = Arc::new(Mutex::new(Some(told)));
    let (called, mut calls) = watch::channel(false);
    let handler = service_fn(move |_: Request<DeliveryBody>| {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).take().expect("one call");
        called.send_replace(true);
        async move {
            assert!(told.await.is_err(), "told to panic");
            Err::<Response<Full<Bytes>>, _>(Failure)
        }
    });
    let (spawn, mut left_alone) = spawner();
    let (addr, _server) = serve_hyper(layer.detach(spawn).layer(handler)).await;
    let client = Client::begin(addr, &message()).await;
    calls.wait_for(|called| *called).await.expect("the service holds it");
    drop(client);
    soon(left_alone.wait_for(|left| left.begun == 1)).await.expect("the test holds it");
    tell.send(()).expect("it is still working");
    soon(left_alone.wait_for(|left| left.ended == 1)).await.expect("the test holds it");
    assert_eq!((reports.so_far(), setup.store.is_empty()), (vec!["abandoned"], true));
}

#[test]
fn without_a_runtime_a_delivery_is_released() {
    let (setup, layer, reports) = reported();
    let (handler, _tell) = Handler::waiting();
    // `spawn` drops the task, as it must without a runtime.
    let mut future = Box::pin(layer.detach(drop::<DetachedTask>).layer(handler).oneshot(message().request()));
    assert!(future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
    assert_eq!(setup.store.in_flight(), 1);
    drop(future);
    assert_eq!((reports.so_far(), setup.store.is_empty()), (vec!["abandoned"], true));
}
