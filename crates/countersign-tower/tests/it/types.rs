//! The types implement the traits that users need: they can be cloned, sent, printed and shared.

use std::error::Error;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::common::{Client, Framing, Handler, delivery, delivery_at, router, send, serve_axum, setup};
use bytes::Bytes;
use countersign::Verified;
use countersign::clock::{Clock, SystemClock};
use countersign::replay::MemoryStore;
use countersign_tower::{
    BodyBudget, DeliveryBody, Outcome, PerRequest, Rejection, Report, ResponseBody, Verify, VerifyLayer,
    detach::{Detach, DetachFuture, DetachLayer, DetachedTask},
    policy::Observed,
    reject::Rendered,
    verify::ResponseFuture,
};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::{Layer, Service, service_fn};

fn is_send_and_sync<T: Send + Sync + 'static>() {}
fn is_send<T: Send + 'static>() {}
fn is_clone<T: Clone>() {}
fn is_debug<T: Debug>() {}
fn is_error<T: Error + Copy + Eq>() {}

type Store = Arc<MemoryStore>;
type Inner = axum::routing::Route;

#[test]
fn the_types_implement_the_traits_of_services() {
    is_send_and_sync::<VerifyLayer>();
    is_clone::<VerifyLayer>();
    is_debug::<VerifyLayer>();

    is_send_and_sync::<Verify<Inner, countersign::Verifier, Store>>();
    is_clone::<Verify<Inner, countersign::Verifier, Store>>();
    is_debug::<Verify<Inner, countersign::Verifier, Store>>();
    // If the inner service can be cloned, nothing else has to be.
    is_clone::<Verify<Inner, countersign::Verifier, MemoryStore>>();

    is_send::<ResponseFuture<Inner, Incoming, axum::body::Body, countersign::Verifier, Store>>();
    is_debug::<ResponseFuture<Inner, Incoming, axum::body::Body, countersign::Verifier, Store>>();

    is_send_and_sync::<DeliveryBody>();
    is_debug::<DeliveryBody>();
    is_send_and_sync::<ResponseBody<Full<Bytes>>>();
    is_debug::<ResponseBody<Full<Bytes>>>();

    is_send_and_sync::<Report>();
    is_clone::<Report>();
    is_debug::<Report>();
    is_send_and_sync::<Outcome>();
    is_send_and_sync::<Rejection>();
    is_error::<Rejection>();
}

#[test]
fn settings_and_results_can_be_sent_and_shared() {
    type Spawn = fn(DetachedTask);
    type Choose = fn(&http::request::Parts) -> Option<countersign::Verifier>;
    type Answered = Result<Response<Full<Bytes>>, std::convert::Infallible>;
    type Layers = VerifyLayer<PerRequest<Choose>, Store>;

    is_send_and_sync::<BodyBudget>();
    is_clone::<BodyBudget>();
    is_debug::<BodyBudget>();
    is_send_and_sync::<Layers>();
    is_clone::<Layers>();
    is_debug::<Layers>();
    is_send_and_sync::<DetachLayer<Layers, Spawn>>();
    is_debug::<Detach<Inner, Spawn>>();
    is_send::<DetachFuture<std::future::Pending<Answered>, Spawn>>();
    is_debug::<DetachFuture<std::future::Pending<Answered>, Spawn>>();
    is_send::<DetachedTask>();
    is_debug::<DetachedTask>();
    is_send_and_sync::<Observed>();
    is_clone::<Observed>();
    is_send_and_sync::<PerRequest<Choose>>();
    is_debug::<PerRequest<Choose>>();
    is_debug::<Rendered>();
}

#[tokio::test]
async fn debug_output_shows_neither_secrets_nor_bodies() {
    let (setup, handler) = (setup(), Handler::default());
    let message = delivery("msg_1", "confidential");
    let reported = Arc::<Mutex<Option<Report>>>::default();
    let hook = Arc::clone(&reported);
    let layer = setup.layer.on_report(move |report| {
        *hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
    });
    let mut service = layer.layer(service_fn({
        let handler = handler.clone();
        move |request: Request<DeliveryBody>| {
            assert_eq!(format!("{:?}", request.body()), "DeliveryBody([12 bytes])");
            handler.clone().call(request)
        }
    }));
    let future = service.call(message.request());
    let unpolled = format!("{future:?}");
    crate::common::reply(future.await.expect("no failure")).await;
    let report = reported.lock().unwrap_or_else(PoisonError::into_inner).take().expect("a report");
    let printed = format!("{unpolled} {report:?} {layer:?} {:?}", layer.layer("the service"));
    assert!(printed.contains("the service") && printed.contains("test"), "{printed}");
    for secret in ["confidential", "C2FVsBQI", "[99, 111"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn a_verified_body_is_complete_and_implements_body() {
    let (setup, handler) = (setup(), Handler::default());
    for (n, sent) in ["", "body"].into_iter().enumerate() {
        let service = service_fn(|request: Request<DeliveryBody>| {
            let handler = handler.clone();
            async move {
                let (head, body) = request.into_parts();
                assert_eq!(body.size_hint().exact(), Some(sent.len() as u64));
                assert_eq!(body.is_end_stream(), sent.is_empty());
                let verified = head.extensions.get::<Verified>().expect("it is verified").clone();
                let mut read = body;
                let mut bytes = Vec::new();
                while let Some(frame) = read.frame().await {
                    let frame = frame.expect("a verified body does not fail");
                    assert!(frame.is_data_and_not_empty());
                    bytes.extend(frame.into_data().expect("data"));
                }
                assert!(read.is_end_stream() && read.size_hint().exact() == Some(0));
                assert_eq!((&*bytes, &**verified.body()), (sent.as_bytes(), sent.as_bytes()));
                handler.clone().call(Request::from_parts(head, DeliveryBody::default())).await
            }
        });
        let answer = setup.layer.layer(service).call(delivery(&format!("msg_{n}"), sent).request()).await;
        assert_eq!(answer.expect("no failure").status(), StatusCode::OK);
    }
}

trait FrameExt {
    fn is_data_and_not_empty(&self) -> bool;
}

impl FrameExt for http_body::Frame<Bytes> {
    fn is_data_and_not_empty(&self) -> bool {
        self.data_ref().is_some_and(|data| !data.is_empty())
    }
}

#[tokio::test]
async fn the_body_of_a_response_has_its_length() {
    let (setup, handler) = (setup(), Handler::default());
    let message = delivery("msg_1", "body");
    let mut service = setup.layer.layer(handler.clone());
    for (request, len) in
        [(&message, Some("handled".len())), (&message, Some(0)), (&crate::common::forgery("m", "b"), None)]
    {
        let body: ResponseBody<Full<Bytes>> = service.call(request.request()).await.expect("no failure").into_body();
        let said = body.size_hint().exact().expect("it is known");
        assert_eq!(body.is_end_stream(), said == 0);
        let read = body.collect().await.expect("it does not fail").to_bytes();
        assert_eq!((read.len() as u64, read.len()), (said, len.unwrap_or(read.len())));
    }
    let empty = ResponseBody::<Full<Bytes>>::default();
    assert!(empty.is_end_stream());
}

#[tokio::test]
async fn services_of_one_layer_share_its_store_and_so_do_their_clones() {
    let (one, other, handler) = (setup(), setup(), Handler::default());
    let message = delivery("msg_1", "body");
    assert_eq!(send(&one.layer, &handler, &message).await.outcome(), None);
    assert_eq!(send(&one.layer, &handler, &message).await.outcome(), Some("duplicate"));
    assert_eq!(send(&one.layer.clone(), &handler, &message).await.outcome(), Some("duplicate"));
    assert_eq!(send(&one.layer.clone().body_limit(5), &handler, &message).await.outcome(), Some("duplicate"));
    assert_eq!(send(&other.layer, &handler, &message).await.outcome(), None, "another layer, another memory");
}

#[tokio::test]
async fn a_layer_needs_only_a_verifier() {
    let handler = Handler::default();
    let layer = VerifyLayer::new(crate::common::verifier("test"));
    let (addr, _server) = serve_axum(router(&handler).layer(layer)).await;
    let message = delivery_at(SystemClock.now().as_secs(), "msg_1", "body");
    let mut client = Client::connect(addr).await;
    assert_eq!(client.deliver(&message, Framing::Length).await.status, StatusCode::OK);
    assert_eq!(client.deliver(&message, Framing::Length).await.outcome(), Some("duplicate"));
    let old = client.deliver(&delivery("msg_2", "body"), Framing::Length).await;
    assert_eq!(old.code(), "timestamp_too_old", "it looks at the real time");
    assert_eq!(handler.calls(), 1);
    assert_eq!(
        (VerifyLayer::DEFAULT_BODY_LIMIT, VerifyLayer::DEFAULT_BODY_TIMEOUT),
        (1 << 20, Duration::from_secs(10))
    );
}

#[tokio::test]
async fn a_request_keeps_its_head() {
    let (setup, handler) = (setup(), Handler::default());
    let mut service = setup.layer.layer(service_fn(|request: Request<DeliveryBody>| {
        assert_eq!((request.method().as_str(), request.uri().to_string()), ("PUT", "/a?b=c".to_owned()));
        assert_eq!(request.extensions().get(), Some(&"from outside"));
        assert_eq!(request.version(), http::Version::HTTP_2);
        let call = handler.clone().call(request);
        async move { call.await.map(Response::into_parts).map(|(head, body)| Response::from_parts(head, body)) }
    }));
    let mut request = delivery("msg_1", "body").add("x-other", "kept").request();
    *request.method_mut() = http::Method::PUT;
    *request.uri_mut() = "/a?b=c".parse().expect("a URI");
    *request.version_mut() = http::Version::HTTP_2;
    request.extensions_mut().insert("from outside");
    assert_eq!(service.call(request).await.expect("no failure").status(), StatusCode::OK);
    assert_eq!(handler.seen()[0].headers["x-other"], "kept");
}
