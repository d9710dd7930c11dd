//! The optional policies of a layer: duplicates, a failing store, rejections, and several sources.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::common::{
    Client, Delivery, Failure, Framing, Reply, delivery, delivery_for, forgery, noise, reporting, serve_hyper, setup,
    setup_with, verifier_for,
};
use bytes::Bytes;
use countersign::clock::ClockReading;
use countersign::filter::EventFilter;
use countersign::key_source::{KeySource, Refreshed};
use countersign::replay::{Claim, ClaimToken, ReplayKey, Settled, StoreError, StoreErrorKind};
use countersign::replay::{MemoryStore, ReplayStore};
use countersign::{Reason, Verified, Verifier};
use countersign_tower::{
    DeliveryBody, PerRequest, Rejection, Report, VerifyLayer,
    policy::{OnDuplicate, OnStoreFailure, Unclaimed, Untyped},
    reject::Rendered,
    sources::Sources,
};
use http::{HeaderValue, Request, Response, StatusCode, request};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

/// The parts of a request that a service saw beside the body.
type Marks = Arc<Mutex<Vec<(Option<Unclaimed>, Option<Verified>)>>>;

/// Returns this status, and notes the extensions of the request.
fn noting(
    status: u16,
) -> (
    impl Service<Request<DeliveryBody>, Response = Response<Full<Bytes>>, Error = Failure, Future: Send> + Clone + Send,
    Marks,
) {
    let marks = Marks::default();
    let service = service_fn({
        let marks = Arc::clone(&marks);
        move |request: Request<DeliveryBody>| {
            let given = (request.extensions().get().copied(), request.extensions().get().cloned());
            marks.lock().unwrap_or_else(PoisonError::into_inner).push(given);
            let mut response = Response::new(Full::from("handled"));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            async { Ok(response) }
        }
    });
    (service, marks)
}

fn unclaimed(marks: &Marks) -> Vec<Option<Unclaimed>> {
    let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(marks.iter().all(|(_, verified)| verified.is_some()), "every request that reaches the service is verified");
    marks.iter().map(|(unclaimed, _)| *unclaimed).collect()
}

/// The reports of a layer.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    fn hook(&self) -> impl Fn(&Report) + Clone + Send + Sync + 'static {
        let told = Arc::clone(&self.0);
        move |report: &Report| told.lock().unwrap_or_else(PoisonError::into_inner).push(report.outcome().as_str())
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tokio::test]
async fn a_duplicate_may_be_passed_on_with_a_mark_and_settles_nothing() {
    for status in [200, 500] {
        let (setup, told, (service, marks)) = (setup(), Told::default(), noting(status));
        let first = noting(200).0;
        let message = delivery("msg_1", "body");
        setup.layer.layer(first).call(message.request()).await.expect("no failure");
        let layer = setup.layer.clone().on_duplicate(OnDuplicate::HandOver).on_report(told.hook());
        let (addr, _server) = serve_hyper(layer.layer(service)).await;
        let reply = Client::connect(addr).await.deliver(&message, Framing::Length).await;
        assert_eq!((reply.status.as_u16(), &*reply.body, reply.outcome()), (status, &b"handled"[..], None));
        assert_eq!((unclaimed(&marks), told.all()), (vec![Some(Unclaimed::Duplicate)], vec!["duplicate"]));
        assert_eq!((setup.store.len(), setup.store.in_flight()), (1, 0), "it is still a duplicate");
        // A new message has no mark, and a forged one is not passed on.
        let mut client = Client::connect(addr).await;
        client.deliver(&delivery("msg_2", "body"), Framing::Length).await;
        let rejected = client.deliver(&forgery("msg_1", "body"), Framing::Length).await;
        assert_eq!(rejected.status, StatusCode::UNAUTHORIZED);
        assert_eq!(unclaimed(&marks), [Some(Unclaimed::Duplicate), None]);
    }
}

#[tokio::test]
async fn a_failing_store_rejects_deliveries_unless_the_layer_passes_them_on() {
    let full = || {
        let setup = setup_with(MemoryStore::builder().capacity(1).build());
        let layer = setup.layer.clone();
        async move {
            layer.layer(noting(200).0).call(delivery("msg_0", "body").request()).await.expect("no failure");
            setup
        }
    };
    let (setup, (service, marks)) = (full().await, noting(200));
    let (addr, _server) = serve_hyper(setup.layer.layer(service)).await;
    let reply = Client::connect(addr).await.deliver(&delivery("msg_1", "body"), Framing::Length).await;
    assert_eq!((reply.status.as_u16(), &*reply.code(), unclaimed(&marks).len()), (503, "store_full", 0));

    for (status, outcome) in [(200, "unrecorded"), (500, "released")] {
        let (setup, told, (service, marks)) = (full().await, Told::default(), noting(status));
        let layer = setup.layer.clone().on_store_failure(OnStoreFailure::DangerHandOver).on_report(told.hook());
        let (addr, _server) = serve_hyper(layer.layer(service)).await;
        let mut client = Client::connect(addr).await;
        let reply = client.deliver(&delivery("msg_1", "body"), Framing::Length).await;
        assert_eq!((reply.status.as_u16(), &*reply.body), (status, &b"handled"[..]));
        assert_eq!(unclaimed(&marks), [Some(Unclaimed::StoreUnavailable(StoreErrorKind::Full))]);
        assert_eq!(told.all(), [outcome]);
        // A forgery is rejected even if the store fails.
        let rejected = client.deliver(&forgery("msg_2", "body"), Framing::Length).await;
        assert_eq!((rejected.status, unclaimed(&marks).len()), (StatusCode::UNAUTHORIZED, 1));
    }
}

#[tokio::test]
async fn a_rendered_rejection_keeps_its_status_and_headers() {
    let setup = setup();
    let plain = |rejection: &Rejection| Rendered {
        content_type: HeaderValue::from_static("text/plain"),
        body: Bytes::from(format!("no: {}", rejection.code())),
    };
    let (service, marks) = noting(200);
    let layer = setup.layer.clone().body_limit(100).render_rejections(plain);
    let (addr, _server) = serve_hyper(layer.layer(service)).await;
    let deliver = |delivery: Delivery| async move {
        let reply = Client::connect(addr).await.deliver(&delivery, Framing::Length).await;
        assert_eq!(reply.header("content-type"), Some("text/plain"));
        (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).expect("text"), reply.headers)
    };
    let (status, body, headers) = deliver(forgery("msg_1", "body")).await;
    assert_eq!((status, &*body), (401, "no: signature_mismatch"));
    assert!(headers.contains_key("www-authenticate"));
    let (status, body, _) = deliver(delivery("msg_1", noise(101))).await;
    assert_eq!((status, &*body), (413, "no: body_too_large"));
    let (status, body, _) = deliver(delivery("msg_1", "body").without("webhook-id")).await;
    assert_eq!((status, &*body), (400, "no: missing_header"));

    let busy = setup_with(MemoryStore::builder().capacity(1).build());
    busy.layer.layer(noting(200).0).call(delivery("msg_0", "body").request()).await.expect("no failure");
    let (addr, _server) = serve_hyper(busy.layer.clone().render_rejections(plain).layer(noting(200).0)).await;
    let reply: Reply = Client::connect(addr).await.deliver(&delivery("msg_1", "body"), Framing::Length).await;
    assert_eq!((reply.status.as_u16(), &*reply.body), (503, &b"no: store_full"[..]));
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert!(unclaimed(&marks).is_empty());
}

/// Chooses the source by path, host or header.
fn by_all(head: &request::Parts, sources: &[Verifier; 3]) -> Option<Verifier> {
    let host = head.headers.get("host").map(HeaderValue::as_bytes);
    let chosen = match (head.uri.path(), head.headers.contains_key("x-billing"), host) {
        ("/gemini", ..) => 0,
        (_, true, _) => 1,
        (_, _, Some(b"other.example.com")) => 2,
        _ => return None,
    };
    Some(sources[chosen].clone())
}

#[tokio::test]
async fn a_source_is_chosen_by_path_host_or_header_and_a_request_without_one_is_rejected() {
    let sources = [verifier_for("gemini", 0), verifier_for("billing", 1), verifier_for("other", 2)];
    let setup = setup();
    let layer = VerifyLayer::new(PerRequest::new(move |head| by_all(head, &sources)));
    let (service, marks) = noting(200);
    let layer = layer.clock(setup.clock.clone()).store(setup.store.clone());
    let (addr, _server) = serve_hyper(layer.layer(service)).await;
    let deliver = |path: &'static str, delivery: Delivery| async move {
        Client::connect(addr).await.deliver_to(path, &delivery, Framing::Length).await
    };
    let cases = [
        ("gemini", "/gemini", delivery_for(0, "msg_1", "body")),
        ("billing", "/", delivery_for(1, "msg_1", "body").set("x-billing", "yes")),
        ("other", "/", delivery_for(2, "msg_1", "body").set("host", "other.example.com")),
    ];
    for (source, path, delivery) in cases {
        // Both messages have the same id, but ids of different sources are kept apart.
        let reply = deliver(path, delivery.clone()).await;
        assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b"handled"[..]), "{source}");
        let seen = marks.lock().unwrap_or_else(PoisonError::into_inner).last().expect("it was seen").1.clone();
        assert_eq!(seen.expect("a verdict").source(), source);
        assert_eq!(deliver(path, delivery).await.outcome(), Some("duplicate"), "{source}");
    }
    // The signature of another source does not match, and a request without a source has its own reason.
    let reply = deliver("/gemini", delivery_for(1, "msg_2", "body")).await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (401, Reason::SignatureMismatch.as_str()));
    let reply = deliver("/", delivery_for(0, "msg_2", "body")).await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (404, "unknown_source"));
    assert_eq!((unclaimed(&marks).len(), setup.store.len()), (3, 3));
}

#[tokio::test]
async fn a_request_without_a_source_is_rejected_before_its_body_is_requested() {
    let layer = VerifyLayer::new(PerRequest::new(|_: &request::Parts| None::<Verifier>));
    let (addr, _server) = serve_hyper(layer.layer(noting(200).0)).await;
    let mut client = Client::connect(addr).await;
    client.send_head(&delivery("msg_1", noise(1000)).add("expect", "100-continue"), Framing::Length).await;
    assert_eq!(client.reply().await.expect("a response").status, StatusCode::NOT_FOUND);
}

/// Keys that are unknown at first, and refreshed once.
#[derive(Clone)]
struct Late {
    now: Verifier,
    then: Verifier,
    asked: Arc<AtomicUsize>,
}

impl KeySource for Late {
    type Refreshing = std::future::Ready<Refreshed>;

    fn verifier(&self) -> Verifier {
        self.now.clone()
    }

    fn refresh(&self, _: &Verifier) -> Self::Refreshing {
        self.asked.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Refreshed::Newer(self.then.clone()))
    }
}

#[tokio::test]
async fn the_chosen_source_is_the_one_that_is_refreshed() {
    let setup = setup();
    let (asked, not_asked) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let late = |asked: &Arc<AtomicUsize>| Late {
        now: verifier_for("late", 1),
        then: verifier_for("late", 0),
        asked: Arc::clone(asked),
    };
    let (one, other) = (late(&asked), late(&not_asked));
    let sources = PerRequest::new(move |head: &request::Parts| match head.uri.path() {
        "/hook" => Some(one.clone()),
        _ => Some(other.clone()),
    });
    let layer = VerifyLayer::new(sources).clock(setup.clock.clone());
    // Signed in a scheme whose keys can be refreshed, and with the secret of the newer verifier.
    let genuine = delivery_for(0, "msg_1", "body");
    let signature = genuine.headers["webhook-signature"].to_str().expect("visible ASCII");
    let both = format!("{signature} v1a,{}==", "A".repeat(86));
    let reply = layer.layer(noting(200).0).call(genuine.set("webhook-signature", &both).request()).await;
    assert_eq!(reply.expect("no failure").status(), StatusCode::OK);
    assert_eq!((asked.load(Ordering::Relaxed), not_asked.load(Ordering::Relaxed)), (1, 0));
}

#[test]
fn a_verifier_is_the_source_of_every_request() {
    let (head, ()) = Request::post("/anywhere").body(()).expect("a request").into_parts();
    let chosen = Sources::keys_for(&verifier_for("one", 0), &head).expect("there is one");
    assert_eq!(chosen.source(), "one");
}

/// A store that never responds, and reports when its call is dropped.
#[derive(Clone, Default)]
struct Silent;

impl ReplayStore for Silent {
    type Claiming = Pin<Box<dyn Future<Output = Result<Claim, StoreError>> + Send>>;
    type Confirming = std::future::Ready<Result<Settled, StoreError>>;

    fn claim(&self, _: ReplayKey, _: Duration, _: ClockReading) -> Self::Claiming {
        Box::pin(std::future::pending())
    }

    fn confirm(&self, _: ClaimToken, _: ClockReading) -> Self::Confirming {
        std::future::ready(Err(StoreErrorKind::Unavailable.into()))
    }

    fn release(&self, _: ClaimToken) {}
}

#[tokio::test]
async fn a_slow_store_is_awaited_even_if_failures_are_passed_on() {
    let setup = setup();
    let (service, marks) = noting(200);
    let layer = setup.layer.clone().store(Silent).on_store_failure(OnStoreFailure::DangerHandOver);
    let mut service = layer.layer(service);
    let mut future = Box::pin(service.call(delivery("msg_1", "body").request()));
    let polled = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(polled.is_pending() && unclaimed(&marks).is_empty());
}

/// Bodies whose event type cannot be read.
fn without_a_type() -> Vec<(&'static str, Bytes)> {
    let utf16 = "\u{feff}{\"type\":\"batch.failed\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        // The first bytes of a gzip stream. The rest does not matter.
        ("gzip", Bytes::from_static(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xabV*\xa9,HU\xb2RJ")),
        ("byte order mark", Bytes::from("\u{feff}{\"type\":\"batch.failed\"}")),
        ("UTF-16", utf16),
        ("form", Bytes::from("type=video.generated")),
        ("array", Bytes::from(r#"[{"type":"video.generated"}]"#)),
        ("empty", Bytes::new()),
        ("no type", Bytes::from(r#"{"event_type":"video.generated"}"#)),
        ("two types", Bytes::from(r#"{"type":"video.generated","type":"batch.failed"}"#)),
        ("a type that is a number", Bytes::from(r#"{"type":1}"#)),
        ("a type that is null", Bytes::from(r#"{"type":null}"#)),
        ("not JSON", Bytes::from("video.generated")),
    ]
}

/// The result of a delivery to a layer with the filter `batch.*`: the status, the code or outcome, and whether the
/// report has `is_untyped` set.
async fn filtered(layer: &crate::common::TestLayer, delivery: &Delivery) -> (u16, String, bool) {
    let (layer, reports) = reporting(layer.clone());
    let reply = crate::common::send(&layer, &crate::common::Handler::default(), delivery).await;
    let report = reports.last();
    assert!(report.verified().is_some(), "the filter reads the verified body");
    let word = report.rejection().map_or(report.outcome().as_str(), Rejection::code).to_owned();
    (reply.status.as_u16(), word, report.is_untyped())
}

#[tokio::test]
async fn a_delivery_without_a_readable_type_is_never_filtered_out() {
    let setup = setup();
    let layer = setup.layer.clone().events(EventFilter::new(["batch.*"]).expect("a pattern"));
    let rejecting = layer.clone().untyped(Untyped::Reject);
    for (n, (what, body)) in without_a_type().into_iter().enumerate() {
        let sent = delivery(&format!("msg_{n}"), body);
        // It is rejected without a claim, so the sender's retry succeeds once the setting is changed.
        assert_eq!(filtered(&rejecting, &sent).await, (422, "no_type".to_owned(), true), "{what}");
        assert_eq!(setup.store.len(), n, "{what}");
        assert_eq!(filtered(&layer, &sent).await, (200, "confirmed".to_owned(), true), "{what}");
        assert_eq!(filtered(&layer, &sent).await, (200, "duplicate".to_owned(), true), "{what}");
        // A layer without a filter reads no types.
        let sent = delivery(&format!("msg_{n}"), sent.body);
        assert_eq!(
            filtered(&crate::common::setup().layer, &sent).await,
            (200, "confirmed".to_owned(), false),
            "{what}"
        );
    }
    let reply = crate::common::send(&rejecting, &crate::common::Handler::default(), &delivery("msg_x", "")).await;
    assert_eq!((reply.status.as_u16(), &*reply.code(), reply.headers.get("retry-after")), (422, "no_type", None));
    // `*` matches every type, even one that cannot be read. It is still counted.
    let all = crate::common::setup().layer.events(EventFilter::new(["*"]).expect("a pattern"));
    assert_eq!(filtered(&all, &delivery("msg_1", "")).await, (200, "confirmed".to_owned(), true));
}

#[tokio::test]
async fn the_type_in_a_header_counts_only_if_the_body_has_none() {
    let setup = setup();
    let layer = setup.layer.clone().events(EventFilter::new(["batch.*"]).expect("a pattern"));
    let rejecting = layer.clone().untyped(Untyped::Reject);
    let untyped = r#"{"a":1}"#;
    for (n, (layer, body, ce_types, expected)) in [
        (&rejecting, untyped, &["batch.failed"][..], (200, "confirmed", false)),
        (&rejecting, untyped, &[" batch.failed "], (200, "confirmed", false)),
        (&rejecting, untyped, &["\"batch.failed\""], (200, "confirmed", false)),
        (&rejecting, untyped, &["%62atch%2Efailed"], (200, "confirmed", false)),
        (&layer, untyped, &["video.generated"], (204, "filtered", false)),
        // A header cannot overrule the signed body.
        (&layer, r#"{"type":"batch.failed"}"#, &["video.generated"], (200, "confirmed", false)),
        (&layer, r#"{"type":"video.generated"}"#, &["batch.failed"], (204, "filtered", false)),
        // Two headers, none, or an unreadable one provide no type.
        (&layer, untyped, &["video.generated", "batch.failed"], (200, "confirmed", true)),
        (&layer, untyped, &["video.generated", "video.generated"], (200, "confirmed", true)),
        (&layer, untyped, &[""], (200, "confirmed", true)),
        (&layer, untyped, &["\"\""], (200, "confirmed", true)),
        (&layer, untyped, &["%20"], (200, "confirmed", true)),
        (&layer, untyped, &["%ff"], (200, "confirmed", true)),
        // An empty type is no type.
        (&layer, r#"{"type":""}"#, &[], (200, "confirmed", true)),
        (&layer, r#"{"type":" "}"#, &[], (200, "confirmed", true)),
        (&layer, untyped, &["b\u{e4}tch"], (200, "confirmed", true)),
        (&rejecting, untyped, &[""], (422, "no_type", true)),
    ]
    .into_iter()
    .enumerate()
    {
        let sent = ce_types.iter().fold(delivery(&format!("msg_{n}"), body), |sent, value| sent.add("ce-type", value));
        let (status, word, is_untyped) = expected;
        assert_eq!(filtered(layer, &sent).await, (status, word.to_owned(), is_untyped), "{ce_types:?} {body}");
    }
    // A copy with a wrong header is filtered and not claimed, so the original is still handled.
    let original = delivery("msg_original", untyped);
    assert_eq!(filtered(&layer, &original.clone().add("ce-type", "video.generated")).await.0, 204);
    assert_eq!(filtered(&layer, &original).await, (200, "confirmed".to_owned(), true));
}
