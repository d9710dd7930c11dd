//! The service that was polled ready is the one that is called, and its capacity is released afterwards.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use crate::common::{
    Action, Client, Failure, Framing, Handler, delivery, forgery, router, serve_axum, serve_hyper, setup,
};
use bytes::Bytes;
use countersign_tower::VerifyLayer;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

/// Panics if it is called without being polled first. A clone has to be polled itself.
#[derive(Debug)]
struct Strict<S> {
    inner: S,
    ready: bool,
}

impl<S: Clone> Clone for Strict<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), ready: false }
    }
}

impl<S: Service<R>, R> Service<R> for Strict<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx).map_ok(|()| self.ready = true)
    }

    fn call(&mut self, request: R) -> S::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been asked");
        self.inner.call(request)
    }
}

#[tokio::test]
async fn only_a_service_that_is_ready_is_called() {
    let (setup, handler) = (setup(), Handler::default());
    let mut service = setup.layer.layer(Strict { inner: handler.clone(), ready: false });
    let request = |n: usize| delivery(&format!("msg_{n}"), "body").request();
    for n in 0..3 {
        let service = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await.expect("it is");
        assert!(service.call(request(n)).await.is_ok());
    }
    // Two calls in parallel, from a clone.
    let mut clone = service.clone();
    let first = ServiceExt::<Request<Full<Bytes>>>::ready(&mut clone).await.expect("it is").call(request(3));
    let second = ServiceExt::<Request<Full<Bytes>>>::ready(&mut clone).await.expect("it is").call(request(4));
    assert!(matches!(tokio::join!(second, first), (Ok(_), Ok(_))));
    assert_eq!(handler.calls(), 5);
}

#[tokio::test]
async fn a_service_that_must_be_polled_works_in_every_server() {
    let (setup, handler) = (setup(), Handler::default());
    let strict = ServiceBuilder::new().layer(setup.layer.clone()).layer_fn(|inner| Strict { inner, ready: false });
    let (hyper, _hyper) = serve_hyper(strict.service(handler.clone())).await;
    let strict = ServiceBuilder::new().layer(setup.layer.clone()).layer_fn(|inner| Strict { inner, ready: false });
    let (axum, _axum) = serve_axum(router(&handler).layer(strict)).await;
    for (n, addr) in [hyper, axum].into_iter().enumerate() {
        let mut client = Client::connect(addr).await;
        for m in 0..3 {
            let reply = client.deliver(&delivery(&format!("msg_{n}_{m}"), "body"), Framing::Length).await;
            assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b"handled"[..]));
        }
    }
    assert_eq!(handler.calls(), 6);
}

#[tokio::test]
async fn a_concurrency_limit_inside_is_respected_and_its_permits_are_returned() {
    let setup = setup();
    let (told, wait) = tokio::sync::oneshot::channel();
    let handler = Handler::with_actions([
        Action::Status(500),
        Action::PanicInCall,
        Action::PanicInFuture,
        Action::Fail,
        Action::Wait(wait),
    ]);
    let limited = ConcurrencyLimitLayer::new(1).layer(handler.clone());
    let (addr, _server) = serve_hyper(setup.layer.layer(limited)).await;
    // After every outcome of a request, the only permit is free.
    for n in 0..4 {
        let mut client = Client::connect(addr).await;
        client.send_head(&delivery(&format!("msg_{n}"), "body"), Framing::Length).await;
        client.send("body").await;
        client.reply().await;
        let rejected = Client::connect(addr).await.deliver(&forgery("msg_9", "body"), Framing::Length).await;
        assert_eq!(rejected.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(handler.calls(), 4);

    // One request is handled. Another waits for the permit, and gets it.
    let (mut first, mut second) = (Client::connect(addr).await, Client::connect(addr).await);
    first.send_head(&delivery("msg_a", "body"), Framing::Length).await;
    first.send("body").await;
    handler.called(5).await;
    second.send_head(&delivery("msg_b", "body"), Framing::Length).await;
    second.send("body").await;
    assert!(futures_pending(second.reply()).await);
    assert_eq!(handler.calls(), 5);
    told.send(200).expect("it waits");
    assert_eq!(first.reply().await.expect("a response").status, StatusCode::OK);
    assert_eq!(second.reply().await.expect("a response").status, StatusCode::OK);
    assert_eq!(handler.calls(), 6);
}

/// Whether it is still waiting after all other tasks had many turns.
async fn futures_pending(future: impl Future) -> bool {
    let mut future = pin!(future);
    for _ in 0..100 {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test]
async fn a_sender_that_disconnects_returns_its_permit() {
    let setup = setup();
    let (handler, _tell) = Handler::waiting();
    let (addr, _server) = serve_hyper(setup.layer.layer(ConcurrencyLimitLayer::new(1).layer(handler.clone()))).await;
    let mut client = Client::connect(addr).await;
    client.send_head(&delivery("msg_1", "body"), Framing::Length).await;
    client.send("body").await;
    handler.called(1).await;
    drop(client);
    let reply = Client::connect(addr).await.deliver(&delivery("msg_2", "body"), Framing::Length).await;
    assert_eq!((reply.status, handler.calls()), (StatusCode::OK, 2));
}

/// Is ready, or fails, when it is polled for the n-th time.
#[derive(Clone)]
struct Shy {
    asked: Arc<AtomicUsize>,
    ready_at: usize,
    fails: bool,
}

impl Service<Request<countersign_tower::DeliveryBody>> for Shy {
    type Response = Response<Full<Bytes>>;
    type Error = Failure;
    type Future = std::future::Ready<Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.asked.fetch_add(1, Ordering::Relaxed) + 1 < self.ready_at {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(if self.fails { Err(Failure) } else { Ok(()) })
    }

    fn call(&mut self, _: Request<countersign_tower::DeliveryBody>) -> Self::Future {
        assert!(self.asked.load(Ordering::Relaxed) >= self.ready_at && !self.fails);
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_awaited_and_one_that_fails_is_not_called() {
    for fails in [false, true] {
        let (setup, asked) = (setup(), Arc::<AtomicUsize>::default());
        let service = setup.layer.layer(Shy { asked: Arc::clone(&asked), ready_at: 3, fails });
        let answer = service.oneshot(delivery("msg_1", "body").request()).await;
        assert_eq!(answer.is_err(), fails);
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert_eq!(setup.store.in_flight(), 0, "the claim is released if the service is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unverified_request_occupies_no_permit() {
    let (setup, handler) = (setup(), Handler::default());
    let (addr, _server) = serve_hyper(setup.layer.layer(ConcurrencyLimitLayer::new(1).layer(handler.clone()))).await;
    // Anyone can send a plausible head and then a slow body.
    let mut stranger = Client::connect(addr).await;
    stranger.send_head(&forgery("msg_9", "body").add("expect", "100-continue"), Framing::Length).await;
    assert_eq!(stranger.reply().await.expect("a word").status, StatusCode::CONTINUE);
    let (mut client, message) = (Client::connect(addr).await, delivery("msg_1", "body"));
    let answer = timeout(VerifyLayer::DEFAULT_BODY_TIMEOUT / 2, client.deliver(&message, Framing::Length)).await;
    assert_eq!(answer.expect("it did not have to wait").status, StatusCode::OK);
}
