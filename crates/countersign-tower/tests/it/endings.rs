//! Endings after the handler has responded, was stopped or was abandoned: the delivery is settled as in the
//! table of the crate documentation, and reported once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{Action, Client, Delivery, Failure, Framing, Handler, delivery, reported, serve_hyper, soon};
use bytes::Bytes;
use countersign_tower::{DeliveryBody, policy::ConfirmAt};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use tower::timeout::TimeoutLayer;
use tower::{Layer, ServiceExt, service_fn};

fn message() -> Delivery {
    delivery("msg_1", "body")
}

/// A body whose frames the test sends.
struct Told {
    parts: mpsc::UnboundedReceiver<Option<Bytes>>,
    length: Option<u64>,
}

impl Body for Told {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.parts.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data).ok_or(Failure)))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map_or_else(http_body::SizeHint::new, http_body::SizeHint::with_exact)
    }
}

type Tell = mpsc::UnboundedSender<Option<Bytes>>;

/// A service that returns 200 at once, with a body that the test sends.
fn telling(
    length: Option<u64>,
) -> (
    impl tower::Service<Request<DeliveryBody>, Response = Response<Told>, Error = Failure, Future: Send> + Clone + Send,
    mpsc::UnboundedReceiver<Tell>,
) {
    let (give, given) = mpsc::unbounded_channel();
    let service = service_fn(move |_: Request<DeliveryBody>| {
        let (tell, parts) = mpsc::unbounded_channel();
        give.send(tell).expect("the test listens");
        async move { Ok(Response::new(Told { parts, length })) }
    });
    (service, given)
}

#[tokio::test]
async fn with_confirm_at_head_a_failing_body_changes_nothing() {
    let (setup, layer, reports) = reported();
    let (service, mut given) = telling(Some(8));
    let (addr, _server) = serve_hyper(layer.layer(service)).await;
    let mut client = Client::begin(addr, &message()).await;
    let tell = given.recv().await.expect("it was called");
    tell.send(Some(Bytes::from("half"))).expect("it is read");
    tell.send(None).expect("it is read");
    assert!(client.is_cut_off().await);
    reports.are(&["confirmed"]).await;
    assert_eq!((setup.store.len(), setup.store.in_flight()), (1, 0));
    let again = Client::connect(addr).await.deliver(&message(), Framing::Length).await;
    assert_eq!(again.outcome(), Some("duplicate"));
}

#[tokio::test]
async fn with_confirm_at_body_end_a_failing_body_releases_the_delivery() {
    for length in [Some(8), None] {
        let (setup, layer, reports) = reported();
        let (service, mut given) = telling(length);
        let (addr, _server) = serve_hyper(layer.confirm_at(ConfirmAt::BodyEnd).layer(service)).await;
        let mut client = Client::begin(addr, &message()).await;
        let tell = given.recv().await.expect("it was called");
        tell.send(Some(Bytes::from("half"))).expect("it is read");
        // The claim lasts as long as the body.
        let meanwhile = Client::connect(addr).await.deliver(&message(), Framing::Length).await;
        assert_eq!(&*meanwhile.code(), "in_flight", "{length:?}");
        assert_eq!(reports.so_far(), ["refused"], "{length:?}");
        tell.send(None).expect("it is read");
        assert!(client.is_cut_off().await, "{length:?}");
        reports.are(&["refused", "released"]).await;
        assert!(setup.store.is_empty(), "{length:?}");
    }
}

#[tokio::test]
async fn with_confirm_at_body_end_a_complete_body_confirms_before_the_sender_sees_its_end() {
    for length in [Some(8), None] {
        let (setup, layer, reports) = reported();
        let (service, mut given) = telling(length);
        let service = layer.confirm_at(ConfirmAt::BodyEnd).layer(service);
        let (addr, _server) = serve_hyper(service).await;
        let mut client = Client::begin(addr, &message()).await;
        let tell = given.recv().await.expect("it was called");
        tell.send(Some(Bytes::from("half"))).expect("it is read");
        tell.send(Some(Bytes::from("half"))).expect("it is read");
        drop(tell);
        assert!(client.reads("halfhalf").await, "{length:?}");
        reports.are(&["confirmed"]).await;
        assert_eq!((setup.store.len(), setup.store.in_flight()), (1, 0), "{length:?}");
    }
}

#[tokio::test]
async fn with_confirm_at_body_end_a_body_shorter_than_announced_has_failed() {
    let (setup, layer, reports) = reported();
    let (service, mut given) = telling(None);
    let service = service.map_response(|mut response| {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("10"));
        response
    });
    let (addr, _server) = serve_hyper(layer.confirm_at(ConfirmAt::BodyEnd).layer(service)).await;
    let mut client = Client::begin(addr, &message()).await;
    let tell = given.recv().await.expect("it was called");
    tell.send(Some(Bytes::from("half"))).expect("it is read");
    drop(tell);
    assert!(client.is_cut_off().await);
    reports.are(&["released"]).await;
    assert!(setup.store.is_empty());
}

#[tokio::test]
async fn with_confirm_at_body_end_a_response_without_a_body_confirms_at_once() {
    for status in [200, 204] {
        let (setup, layer, reports) = reported();
        let service = service_fn(move |_: Request<DeliveryBody>| async move {
            let mut response = Response::new(http_body_util::Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok::<_, Failure>(response)
        });
        let (addr, _server) = serve_hyper(layer.confirm_at(ConfirmAt::BodyEnd).layer(service)).await;
        let reply = Client::connect(addr).await.deliver(&message(), Framing::Length).await;
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!((reports.so_far(), setup.store.in_flight()), (vec!["confirmed"], 0));
    }
}

#[tokio::test]
async fn with_confirm_at_body_end_a_failure_releases_at_its_head() {
    let (setup, layer, reports) = reported();
    let handler = Handler::with_actions([Action::Status(500)]);
    let (addr, _server) = serve_hyper(layer.confirm_at(ConfirmAt::BodyEnd).layer(handler)).await;
    let reply = Client::connect(addr).await.deliver(&message(), Framing::Length).await;
    assert_eq!((reply.status.as_u16(), &*reply.body), (500, &b"handled"[..]));
    assert_eq!((reports.so_far(), setup.store.is_empty()), (vec!["released"], true));
}

#[tokio::test]
async fn with_confirm_at_body_end_a_sender_that_disconnects_during_the_body_may_retry() {
    let (setup, layer, reports) = reported();
    let (service, mut given) = telling(None);
    let (addr, _server) = serve_hyper(layer.confirm_at(ConfirmAt::BodyEnd).layer(service)).await;
    let client = Client::begin(addr, &message()).await;
    let tell = given.recv().await.expect("it was called");
    tell.send(Some(Bytes::from("half"))).expect("it is read");
    drop(client);
    soon(tell.closed()).await;
    reports.are(&["abandoned"]).await;
    assert!(setup.store.is_empty());
}

#[tokio::test]
async fn a_settling_body_has_its_length_and_ends_once_it_is_settled() {
    let (setup, layer, reports) = reported();
    let (service, mut given) = telling(Some(4));
    let response = layer.confirm_at(ConfirmAt::BodyEnd).layer(service).oneshot(message().request()).await;
    let response = response.expect("no failure");
    assert!(reports.all().is_empty(), "the end of the body decides");
    let mut body = response.into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    given.recv().await.expect("it was called").send(Some(Bytes::from("done"))).expect("it is read");
    let frame = body.frame().await.expect("a frame").expect("no failure");
    assert_eq!(frame.into_data().expect("data"), "done");
    assert_eq!(setup.store.in_flight(), 0, "confirmed with the last byte that was announced");
    let report = reports.last();
    assert_eq!((report.outcome().as_str(), report.was_deferred()), ("confirmed", true));
    assert_eq!(report.status(), Some(StatusCode::OK));

    // A body that knows its end does not report it before the delivery is settled.
    let (setup, layer, _) = reported();
    let response = layer.confirm_at(ConfirmAt::BodyEnd).layer(Handler::default()).oneshot(message().request()).await;
    let mut body = response.expect("no failure").into_body();
    assert_eq!((body.is_end_stream(), setup.store.in_flight()), (false, 1));
    assert_eq!(body.frame().await.expect("a frame").expect("no failure").into_data().expect("data"), "handled");
    assert_eq!((body.is_end_stream(), setup.store.in_flight()), (true, 0));
}

#[tokio::test]
async fn with_confirm_at_body_end_trailers_confirm_too() {
    let (setup, layer, reports) = reported();
    let (service, mut given) = telling(None);
    let trailers = || Box::pin(async { Some(Ok(http::HeaderMap::new())) });
    let service = service.map_response(move |response| response.map(|body: Told| body.with_trailers(trailers())));
    let response = layer.confirm_at(ConfirmAt::BodyEnd).layer(service).oneshot(message().request()).await;
    let mut body = response.expect("no failure").into_body();
    given.recv().await.expect("it was called").send(Some(Bytes::from("done"))).expect("it is read");
    assert!(body.frame().await.expect("a frame").expect("no failure").is_data());
    assert_eq!((reports.so_far().len(), setup.store.in_flight()), (0, 1));
    assert!(body.frame().await.expect("a frame").expect("no failure").is_trailers());
    assert_eq!((reports.so_far(), setup.store.in_flight()), (vec!["confirmed"], 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_the_layer_releases_the_delivery() {
    // tower's timeout is an error, tower-http's a response.
    let (setup, layer, reports) = reported();
    let (handler, _tell) = Handler::waiting();
    let limited = TimeoutLayer::new(Duration::from_secs(5)).layer(handler);
    layer.layer(limited).oneshot(message().request()).await.map(drop).expect_err("too slow");
    assert_eq!((reports.so_far(), setup.store.is_empty()), (vec!["released"], true));

    let (setup, layer, reports) = reported();
    let (handler, _tell) = Handler::waiting();
    let status = StatusCode::GATEWAY_TIMEOUT;
    let limited = tower_http::timeout::TimeoutLayer::with_status_code(status, Duration::from_secs(5));
    let response = layer.layer(limited.layer(handler)).oneshot(message().request()).await;
    assert_eq!(response.expect("a response").status(), status);
    assert_eq!((reports.so_far(), setup.store.is_empty()), (vec!["released"], true));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_the_layer_releases_the_delivery() {
    let (setup, layer, reports) = reported();
    let (handler, _tell) = Handler::waiting();
    let status = StatusCode::GATEWAY_TIMEOUT;
    let limited = tower_http::timeout::TimeoutLayer::with_status_code(status, Duration::from_secs(5));
    let response = limited.layer(layer.layer(handler)).oneshot(message().request()).await;
    assert_eq!(response.expect("a response").status(), status);
    assert_eq!((reports.so_far(), setup.store.is_empty()), (vec!["abandoned"], true));
}

#[tokio::test]
async fn every_request_is_reported_once() {
    let (_setup, layer, reports) = reported();
    let answers = [Action::Status(200), Action::Status(500), Action::Fail, Action::PanicInFuture, Action::PanicInCall];
    let handler = Handler::with_actions(answers);
    let (addr, _server) = serve_hyper(layer.layer(handler)).await;
    let mut expected = Vec::new();
    for (n, outcome) in ["confirmed", "released", "released", "abandoned", "abandoned"].into_iter().enumerate() {
        let mut client = Client::begin(addr, &delivery(&format!("msg_{n}"), "body")).await;
        client.reply().await;
        expected.push(outcome);
        reports.are(&expected).await;
    }
    Client::connect(addr).await.deliver(&delivery("msg_0", "body"), Framing::Length).await;
    Client::connect(addr).await.deliver(&crate::common::forgery("msg_9", "body"), Framing::Length).await;
    // One sender disconnects before its body is complete.
    let mut client = Client::connect(addr).await;
    client.send_head(&delivery("msg_a", "body").add("expect", "100-continue"), Framing::Length).await;
    client.reply().await.expect("a word");
    drop(client);
    expected.extend(["duplicate", "refused"]);
    soon(async {
        while reports.so_far().len() < expected.len() + 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let last = reports.so_far().pop().expect("a report");
    assert!(["abandoned", "refused"].contains(&last), "hyper drops it, or reports that its body ended early: {last}");
}

/// Serves axum until the test starts a graceful shutdown.
async fn serve_gracefully(
    app: axum::Router,
) -> (std::net::SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("a bound listener");
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        axum::serve(listener, app).with_graceful_shutdown(stopped).await.expect("it serves until it is stopped");
    });
    (addr, stop, task)
}

#[tokio::test]
async fn a_graceful_shutdown_settles_the_running_deliveries() {
    let (setup, layer, reports) = reported();
    let (handler, tell) = Handler::waiting();
    let (addr, stop, task) = serve_gracefully(crate::common::router(&handler).layer(layer)).await;
    let mut client = Client::begin(addr, &message()).await;
    handler.called(1).await;
    stop.send(()).expect("it serves");
    assert_eq!(setup.store.in_flight(), 1);
    tell.send(200).expect("it waits");
    assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
    soon(task).await.expect("no panic");
    assert_eq!((reports.so_far(), setup.store.len(), setup.store.in_flight()), (vec!["confirmed"], 1, 0));
}

#[tokio::test]
async fn a_server_that_is_killed_releases_the_running_deliveries() {
    let (setup, layer, reports) = reported();
    let (handler, _tell) = Handler::waiting();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let serving = runtime.spawn(serve_hyper(layer.layer(handler.clone())));
    let (addr, _server) = serving.await.expect("no panic");
    let _client = Client::begin(addr, &message()).await;
    handler.called(1).await;
    runtime.shutdown_background();
    handler.dropped(1).await;
    reports.are(&["abandoned"]).await;
    assert!(setup.store.is_empty());
}
