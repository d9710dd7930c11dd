//! gRPC calls: signed over their framed body, responded to as gRPC requires, settled by their status.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::grpc::{Note, Notes, Signing, call, framed, note, raw_call};
use crate::common::{Client, Delivery, Framing, Setup, TestLayer, delivery, forgery, soon};
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use countersign::Reason;
use countersign::filter::EventFilter;
use countersign::replay::MemoryStore;
use countersign::replay::StoreErrorKind;
use countersign_tower::{
    BodyBudget, Rejection,
    policy::{OnRejection, Untyped},
};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::codegen::tokio_stream::{self, StreamExt};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower::{Layer, Service, ServiceExt, service_fn};

/// A layer for a service that speaks gRPC.
fn setup() -> Setup {
    setup_with(MemoryStore::default())
}

fn setup_with(store: MemoryStore) -> Setup {
    let setup = crate::common::setup_with(store);
    Setup { layer: setup.layer.grpc(true), ..setup }
}

#[derive(Clone, Copy, Debug)]
enum Host {
    /// tonic's own server.
    Tonic,
    /// axum's, with tonic's routes in a router.
    Axum,
}

async fn serve(host: Host, layer: &TestLayer, notes: &Notes) -> (SocketAddr, JoinHandle<()>) {
    let routes = Routes::new(notes.clone());
    match host {
        Host::Tonic => {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let addr = listener.local_addr().expect("a bound listener");
            let server = Server::builder().layer(layer.clone()).add_routes(routes);
            let serving = server.serve_with_incoming(TcpIncoming::from(listener));
            (addr, tokio::spawn(async move { serving.await.expect("it serves until it is aborted") }))
        }
        Host::Axum => crate::common::serve_axum(routes.into_axum_router().layer(layer.clone())).await,
    }
}

fn code_of(status: &Status) -> &str {
    status.metadata().get("countersign-code").expect("every rejection has a code").to_str().expect("visible ASCII")
}

#[tokio::test]
async fn a_unary_call_is_verified_over_its_framed_body() {
    for host in [Host::Tonic, Host::Axum] {
        let (setup, notes) = (setup(), Notes::default());
        let (addr, _server) = serve(host, &setup.layer, &notes).await;
        let signing = Signing::connect(addr, "msg_1").await;
        let response = call(&signing, "Say", "hello").await.expect("it is authentic").into_inner();
        assert_eq!(response, note("heard hello"), "{host:?}");
        let (text, verified) = notes.heard().pop().expect("it was heard");
        let verified = verified.expect("the verdict is in the request's extensions");
        assert_eq!((&*text, verified.message_id().as_str()), ("hello", "msg_1"), "{host:?}");
        assert_eq!(*verified.body(), framed("hello"), "{host:?}");
        assert_eq!((setup.store.len(), setup.store.in_flight()), (1, 0), "{host:?}");
    }
}

#[tokio::test]
async fn a_forged_call_reaches_no_service_and_its_client_gets_the_reason() {
    type Change = fn(Delivery) -> Delivery;
    let cases: [(&str, Change, Code, &str); 5] = [
        ("forged", |call| forgery("msg_1", call.body), Code::Unauthenticated, "signature_mismatch"),
        ("changed", |call| call.with_body(framed("other")), Code::Unauthenticated, "signature_mismatch"),
        (
            "old",
            |call| crate::common::delivery_at(crate::common::NOW - 999, "msg_1", call.body),
            Code::Unauthenticated,
            "timestamp_too_old",
        ),
        ("unsigned", |call| Delivery { headers: HeaderMap::new(), ..call }, Code::InvalidArgument, "missing_header"),
        ("cut", |call| delivery("msg_1", call.body.slice(..7)), Code::InvalidArgument, "body_unreadable"),
    ];
    for host in [Host::Tonic, Host::Axum] {
        let (setup, notes) = (setup(), Notes::default());
        let (addr, _server) = serve(host, &setup.layer, &notes).await;
        for (why, change, code, reason) in cases {
            let signing = Signing::changing(addr, "msg_1", change).await;
            let status = call(&signing, "Say", "hello").await.expect_err(why);
            assert_eq!((status.code(), code_of(&status)), (code, reason), "{why} {host:?}");
            assert!(status.message().starts_with(&format!("{reason}: ")), "{why}: {}", status.message());
        }
        assert!(notes.heard().is_empty() && setup.store.is_empty());
    }
}

#[tokio::test]
async fn a_rejection_is_a_trailers_only_response() {
    let (setup, notes) = (setup(), Notes::default());
    let (addr, _server) = serve(Host::Tonic, &setup.layer, &notes).await;
    let forged = Signing::changing(addr, "msg_1", |call| forgery("msg_1", call.body)).await;
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc+json"] {
        let (head, body, trailers) = raw_call(&forged, content_type, framed("hello")).await;
        assert_eq!((head.status, body.len(), trailers), (StatusCode::OK, 0, None), "{content_type}");
        assert_eq!(head.headers["content-type"], "application/grpc");
        assert_eq!(
            (&head.headers["grpc-status"], &head.headers["countersign-code"]),
            (&"16".parse().expect("a value"), &"signature_mismatch".parse().expect("a value"))
        );
        assert!(!head.headers.contains_key("grpc-retry-pushback-ms"));
    }
    // gRPC-Web, and JSON over HTTP/2, are not gRPC and get an HTTP status.
    for content_type in ["application/grpc-web", "application/json"] {
        let (head, body, _) = raw_call(&forged, content_type, framed("hello")).await;
        assert_eq!(head.status, StatusCode::UNAUTHORIZED, "{content_type}");
        assert_eq!(head.headers["content-type"], "application/problem+json");
        assert!(!body.is_empty() && !head.headers.contains_key("grpc-status"));
    }
}

#[tokio::test]
async fn a_call_that_may_be_retried_is_told_when() {
    let notes = Notes::default();
    let full = setup_with(MemoryStore::builder().capacity(1).build());
    let handler = crate::common::Handler::default();
    assert_eq!(crate::common::send(&full.layer, &handler, &delivery("msg_0", "body")).await.status, StatusCode::OK);
    let small = setup().layer.body_limit(10);
    let poor = setup().layer.body_budget(BodyBudget::new(100));
    let text = "a".repeat(50);
    let cases = [
        ("a full store", full.layer.clone(), Code::ResourceExhausted, "store_full", Some("5000")),
        ("a small limit", small, Code::ResourceExhausted, "body_too_large", None),
    ];
    for (why, layer, code, reason, pushback) in cases {
        let (addr, _server) = serve(Host::Tonic, &layer, &notes).await;
        let status = call(&Signing::connect(addr, "msg_1").await, "Say", &text).await.expect_err(why);
        assert_eq!((status.code(), code_of(&status)), (code, reason), "{why}");
        let told = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().expect("digits"));
        assert_eq!(told, pushback, "{why}");
    }
    assert!(notes.heard().is_empty());

    // A copy arrives while the call is handled, and the budget has room for one of them only.
    for (why, layer, code, reason) in [
        ("in flight", setup().layer, Code::Aborted, "in_flight"),
        ("no room", poor, Code::ResourceExhausted, "over_budget"),
    ] {
        let (addr, _server) = serve(Host::Tonic, &layer, &notes).await;
        let signing = Signing::connect(addr, "msg_1").await;
        let (mut client, path) = (signing.clone().client(), "/test.Notes/Tell".parse().expect("a path"));
        client.ready().await.expect("a channel");
        let codec = ProstCodec::<Note, Note>::default();
        let stream = client.server_streaming(tonic::Request::new(note(&text)), path, codec).await.expect("it begins");
        let tell = notes.told().await;
        let status = call(&signing, "Say", &text).await.expect_err(why);
        assert_eq!((status.code(), code_of(&status)), (code, reason), "{why}");
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").expect("pushback"), "5000", "{why}");
        drop((tell, stream));
    }
}

#[test]
fn every_rejection_has_its_code() {
    let after = std::time::Duration::from_secs(10);
    for (rejection, code, comes_back) in [
        (Rejection::Unverified(Reason::MissingHeader.into()), Code::InvalidArgument, false),
        (Rejection::Unverified(Reason::MalformedSignature.into()), Code::InvalidArgument, false),
        (Rejection::Unverified(Reason::SignatureMismatch.into()), Code::Unauthenticated, false),
        (Rejection::Unverified(Reason::TokenExpired.into()), Code::Unauthenticated, false),
        (Rejection::UnknownSource, Code::NotFound, false),
        (Rejection::BodyTooLarge { limit: 1 }, Code::ResourceExhausted, false),
        (Rejection::BodyTimeout { after }, Code::DeadlineExceeded, false),
        (Rejection::BodyUnreadable, Code::InvalidArgument, false),
        (Rejection::OverBudget, Code::ResourceExhausted, true),
        (Rejection::GrpcStream, Code::Unimplemented, false),
        (Rejection::NoType, Code::InvalidArgument, false),
        (Rejection::InFlight, Code::Aborted, true),
        (Rejection::KeysUnavailable, Code::Unavailable, true),
        (Rejection::StoreUnavailable(StoreErrorKind::Unavailable), Code::Unavailable, true),
    ] {
        assert_eq!(Code::from(i32::from(rejection.grpc_status())), code, "{rejection:?}");
        assert_eq!(rejection.retry_after().is_some(), comes_back, "{rejection:?}");
    }
}

#[tokio::test]
async fn a_duplicate_is_a_success_with_an_empty_message() {
    for host in [Host::Tonic, Host::Axum] {
        let (setup, notes) = (setup(), Notes::default());
        let (addr, _server) = serve(host, &setup.layer, &notes).await;
        let signing = Signing::connect(addr, "msg_1").await;
        call(&signing, "Say", "hello").await.expect("it is authentic");
        let again = call(&signing, "Say", "hello").await.expect("it is a success");
        assert_eq!(again.metadata().get("countersign-outcome").expect("an outcome"), "duplicate");
        assert_eq!((again.into_inner(), notes.heard().len()), (Note::default(), 1), "{host:?}");
        // On the wire: one empty message, and the status in the trailers.
        let (head, body, trailers) = raw_call(&signing, "application/grpc", framed("hello")).await;
        assert_eq!((head.status, &*body), (StatusCode::OK, &[0; 5][..]));
        assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
        // An empty message may be invalid in another format.
        let (head, body, _) = raw_call(&signing, "application/grpc+json", framed("hello")).await;
        assert_eq!((body.len(), head.headers["grpc-status"].as_bytes()), (0, &b"6"[..]));
        assert_eq!(head.headers["countersign-outcome"], "duplicate");
    }
}

#[tokio::test]
async fn an_unwanted_event_is_a_success_with_an_empty_message() {
    let (setup, notes) = (setup(), Notes::default());
    let layer = setup.layer.events(EventFilter::new(["batch.*"]).expect("a pattern"));
    let (addr, _server) = serve(Host::Tonic, &layer, &notes).await;
    // The type of a framed message cannot be read. Without `ce-type`, the call passes.
    let unwanted = Signing::changing(addr, "msg_1", |call| call.set("ce-type", "video.generated")).await;
    let response = call(&unwanted, "Say", "hello").await.expect("it is a success");
    assert_eq!(response.metadata().get("countersign-outcome").expect("an outcome"), "filtered");
    assert_eq!((response.into_inner(), notes.heard().len()), (Note::default(), 0));
    call(&Signing::connect(addr, "msg_1").await, "Say", "hello").await.expect("it passes");
    assert_eq!(notes.heard().len(), 1);
    let layer = layer.untyped(Untyped::Reject);
    let (addr, _server) = serve(Host::Tonic, &layer, &notes).await;
    let status = call(&Signing::connect(addr, "msg_2").await, "Say", "hello").await.expect_err("it has no type");
    assert_eq!((status.code(), code_of(&status)), (Code::InvalidArgument, "no_type"));
    assert_eq!(notes.heard().len(), 1);
}

#[tokio::test]
async fn a_call_that_fails_has_http_status_200_and_may_be_retried() {
    for host in [Host::Tonic, Host::Axum] {
        let (setup, notes) = (setup(), Notes::default());
        let (addr, _server) = serve(host, &setup.layer, &notes).await;
        let signing = Signing::connect(addr, "msg_1").await;
        let status = call(&signing, "Fail", "hello").await.expect_err("it is told to");
        assert_eq!((status.code(), status.message()), (Code::Internal, "told to fail"));
        assert!(setup.store.is_empty(), "{host:?}");
        assert_eq!(call(&signing, "Say", "hello").await.expect("a retry").into_inner(), note("heard hello"));
        assert_eq!((notes.heard().len(), setup.store.len()), (2, 1));
    }
}

#[tokio::test]
async fn a_call_is_settled_by_its_final_status() {
    // A success, an error after some messages, and a client that disconnects before the end.
    for (ending, kept) in [(Ok(()), 1), (Err(true), 0), (Err(false), 0)] {
        let (setup, notes) = (setup(), Notes::default());
        let (addr, _server) = serve(Host::Tonic, &setup.layer, &notes).await;
        let mut client = Signing::connect(addr, "msg_1").await.client();
        client.ready().await.expect("a channel");
        let path = "/test.Notes/Tell".parse().expect("a path");
        let codec = ProstCodec::<Note, Note>::default();
        let response = client.server_streaming(tonic::Request::new(note("go")), path, codec).await.expect("it begins");
        let (mut stream, tell) = (response.into_inner(), notes.told().await);
        for text in ["one", "two"] {
            tell.send(Ok(note(text))).expect("a client reads");
            assert_eq!(soon(stream.next()).await.expect("a message").expect("no failure"), note(text));
            assert_eq!(setup.store.in_flight(), 1, "it is not over");
        }
        match ending {
            Ok(()) => {
                drop(tell);
                assert!(soon(stream.next()).await.is_none());
            }
            Err(true) => {
                tell.send(Err(Status::aborted("half-way"))).expect("a client reads");
                let failed = soon(stream.next()).await.expect("a word").expect_err("the failure");
                assert_eq!(failed.code(), Code::Aborted);
            }
            Err(false) => {
                drop((stream, client));
                soon(tell.closed()).await;
            }
        }
        soon(async {
            while setup.store.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(setup.store.len(), kept, "{ending:?}");
    }
}

async fn gather(signing: Signing, texts: &'static [&'static str]) -> Result<Note, Status> {
    let mut client = signing.client();
    client.ready().await.expect("a channel");
    let notes = tokio_stream::iter(texts.iter().map(|text| note(text)));
    let path = "/test.Notes/Gather".parse().expect("a path");
    let codec = ProstCodec::<Note, Note>::default();
    soon(client.client_streaming(tonic::Request::new(notes), path, codec)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_stream_is_rejected_unless_streams_are_buffered() {
    let (setup, notes) = (setup(), Notes::default());
    let (addr, _server) = serve(Host::Tonic, &setup.layer, &notes).await;
    for texts in [&["one", "two"][..], &[]] {
        let status = gather(Signing::connect(addr, "msg_1").await, texts).await.expect_err("a stream");
        assert_eq!((status.code(), code_of(&status)), (Code::Unimplemented, "grpc_stream"), "{texts:?}");
    }
    assert!(notes.heard().is_empty() && setup.store.is_empty());
    // A stream of one message looks like a unary call.
    assert_eq!(gather(Signing::connect(addr, "msg_1").await, &["one"]).await.expect("one message"), note("one"));

    let layer = setup.layer.clone().buffer_grpc_streams();
    let (addr, _server) = serve(Host::Tonic, &layer, &notes).await;
    for (id, texts, all) in [("msg_2", &["one", "two"][..], "onetwo"), ("msg_3", &[], "")] {
        assert_eq!(gather(Signing::connect(addr, id).await, texts).await.expect("a stream"), note(all));
        assert_eq!(notes.heard().pop().expect("it was heard").1.expect("a verdict").message_id().as_str(), id);
    }
    let forged = Signing::changing(addr, "msg_4", |call| forgery("msg_4", call.body)).await;
    assert_eq!(gather(forged, &["one", "two"]).await.expect_err("a forgery").code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_stream_is_rejected_as_soon_as_it_has_a_second_message() {
    // The stream never ends, so waiting for its end would never return.
    let setup = setup();
    let (send, parts) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    send.send(framed("one")).expect("it is read");
    send.send(framed("two").slice(..1)).expect("it is read");
    let body = http_body_util::StreamBody::new(Parts(parts));
    let mut request = delivery("msg_1", "").request_with(body);
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
    let response =
        soon(setup.layer.layer(crate::common::Handler::default()).oneshot(request)).await.expect("a response");
    assert_eq!(response.headers()["grpc-status"], "12");
    // A message that announces more than the limit is rejected too.
    let mut request = delivery("msg_1", &b"\0\xff\xff\xff\xff"[..]).request();
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
    let response = setup.layer.layer(crate::common::Handler::default()).oneshot(request).await.expect("a response");
    assert_eq!(response.headers()["countersign-code"], "body_too_large");
}

struct Parts(tokio::sync::mpsc::UnboundedReceiver<Bytes>);

impl tokio_stream::Stream for Parts {
    type Item = Result<http_body::Frame<Bytes>, crate::common::Failure>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| Ok(http_body::Frame::data(part))))
    }
}

#[tokio::test]
async fn one_port_serves_calls_and_webhooks() {
    let (setup, notes, handler) = (setup(), Notes::default(), crate::common::Handler::default());
    let webhooks: Router = crate::common::router(&handler);
    let app = Routes::new(notes.clone()).into_axum_router().merge(webhooks).layer(setup.layer.clone());
    let app = app.route("/open", post(|| async { "open" }));
    let (addr, _server) = crate::common::serve_axum(app).await;
    let mut client = Client::connect(addr).await;
    let reply = client.deliver(&delivery("msg_1", "body"), Framing::Length).await;
    assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b"handled"[..]));
    let rejected = client.deliver(&forgery("msg_2", "body"), Framing::Length).await;
    assert_eq!((rejected.status, &*rejected.code()), (StatusCode::UNAUTHORIZED, "signature_mismatch"));
    let signing = Signing::connect(addr, "msg_3").await;
    assert_eq!(call(&signing, "Say", "hello").await.expect("genuine").into_inner(), note("heard hello"));
    let forged = Signing::changing(addr, "msg_4", |call| forgery("msg_4", call.body)).await;
    assert_eq!(call(&forged, "Say", "hello").await.expect_err("forged").code(), Code::Unauthenticated);
    // Without HTTP/2 it is not gRPC, whatever its content type, and a rejection has an HTTP status.
    let pretender = forgery("msg_5", framed("hello")).add("content-type", "application/grpc");
    let rejected = client.deliver(&pretender, Framing::Length).await;
    assert_eq!((rejected.status, &*rejected.code()), (StatusCode::UNAUTHORIZED, "signature_mismatch"));
    assert_eq!((handler.calls(), notes.heard().len()), (1, 1));
}

#[tokio::test]
async fn an_answer_of_200_that_says_nothing_of_a_call_does_not_confirm_it() {
    let setup = setup();
    for (content_type, confirmed) in [("application/grpc", false), ("text/plain", true)] {
        let silent = service_fn(|_: Request<countersign_tower::DeliveryBody>| async {
            Ok::<_, crate::common::Failure>(Response::new(Full::<Bytes>::from("handled")))
        });
        let mut request = delivery("msg_1", framed("hello")).request();
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().insert("content-type", content_type.parse().expect("a value"));
        let response = setup.layer.layer(silent).call(request).await.expect("a response");
        response.into_body().collect().await.expect("a whole body");
        assert_eq!((setup.store.len() == 1, setup.store.in_flight()), (confirmed, 0), "{content_type}");
    }
}

#[tokio::test]
async fn a_layer_that_observes_passes_calls_and_settles_them_by_their_status() {
    let (setup, notes) = (setup(), Notes::default());
    let app = Routes::new(notes.clone())
        .into_axum_router()
        .layer(setup.layer.clone().on_rejection(OnRejection::DangerHandOver));
    let (addr, _server) = crate::common::serve_axum(app).await;
    let forged = Signing::changing(addr, "msg_1", |call| forgery("msg_1", call.body)).await;
    assert_eq!(call(&forged, "Say", "forged").await.expect("it passes").into_inner(), note("heard forged"));
    let signing = Signing::connect(addr, "msg_2").await;
    assert_eq!(call(&signing, "Fail", "hello").await.expect_err("it is told to").code(), Code::Internal);
    assert!(setup.store.is_empty());
    assert_eq!(call(&signing, "Say", "hello").await.expect("a retry").into_inner(), note("heard hello"));
    assert_eq!((setup.store.len(), setup.store.in_flight()), (1, 0));
    assert_eq!(gather(Signing::connect(addr, "msg_3").await, &["one", "two"]).await.expect("a stream"), note("onetwo"));
    let verified: Vec<_> = notes.heard().iter().map(|(_, verified)| verified.is_some()).collect();
    assert_eq!(verified, [false, true, true, false]);
}

/// The head of the response to this delivery over HTTP/2, and whether the service was called.
async fn head_of(layer: &TestLayer, sent: Delivery, response: &'static [(&'static str, &'static str)]) -> Head {
    let called = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let called = Arc::clone(&called);
        move |_: Request<countersign_tower::DeliveryBody>| {
            called.store(true, Ordering::Relaxed);
            let builder =
                response.iter().fold(Response::builder(), |builder, (name, value)| builder.header(*name, *value));
            async move { Ok::<_, crate::common::Failure>(builder.body(Full::<Bytes>::default()).expect("a response")) }
        }
    });
    let mut request = sent.request();
    *request.version_mut() = Version::HTTP_2;
    let response = layer.layer(service).call(request).await.expect("a response");
    let (head, body) = response.into_parts();
    body.collect().await.expect("a whole body");
    (head.status, head.headers, called.load(Ordering::Relaxed))
}

type Head = (StatusCode, HeaderMap, bool);

#[tokio::test]
async fn a_content_type_changes_nothing_while_grpc_is_off() {
    let setup = crate::common::setup();
    for (n, content_type) in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc+json",
        "Application/GRPC;a=b",
        "application/grpc-web",
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("msg_{n}");
        let typed = |sent: Delivery| sent.add("content-type", content_type);
        // A forged request cannot choose how it is rejected.
        for (sent, status) in [
            (forgery(&id, framed("hello")), 401),
            (delivery(&id, "other").with_body(framed("hello")), 401),
            (delivery(&id, "").without("webhook-id"), 400),
        ] {
            let (got, headers, called) = head_of(&setup.layer, typed(sent), &[]).await;
            assert_eq!((got.as_u16(), called), (status, false), "{content_type}");
            assert_eq!(headers["content-type"], "application/problem+json", "{content_type}");
            assert!(!headers.contains_key("grpc-status"), "{content_type}");
        }
        // Without gRPC, a body may have any number of messages, and a 2xx response confirms.
        for (part, body) in
            [framed("one"), Bytes::new(), [framed("one"), framed("two")].concat().into()].into_iter().enumerate()
        {
            let sent = typed(delivery(&format!("{id}_{part}"), body));
            let before = setup.store.len();
            assert_eq!(head_of(&setup.layer, sent.clone(), &[]).await.0, StatusCode::OK, "{content_type}");
            assert_eq!((setup.store.len(), setup.store.in_flight()), (before + 1, 0), "{content_type}");
            let (status, headers, called) = head_of(&setup.layer, sent, &[]).await;
            assert_eq!((status, called), (StatusCode::OK, false), "{content_type}");
            assert_eq!(headers["countersign-outcome"], "duplicate");
            assert!(!headers.contains_key("content-type") && !headers.contains_key("grpc-status"), "{content_type}");
        }
    }
    // The service sets the content type of the response, so a gRPC response is settled by its status.
    let failed: &[_] = &[("content-type", "application/grpc"), ("grpc-status", "13")];
    assert!(head_of(&setup.layer, delivery("msg_failed", framed("hello")), failed).await.2);
    let done: &[_] = &[("content-type", "application/grpc"), ("grpc-status", "0")];
    assert!(head_of(&setup.layer, delivery("msg_failed", framed("hello")), done).await.2, "its retry is handled");
    assert!(!head_of(&setup.layer, delivery("msg_failed", framed("hello")), done).await.2, "and then it is done");
}
