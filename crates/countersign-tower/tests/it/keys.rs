//! Keys that change: the reasons for rejected tokens, and sources that are refreshed.

use std::collections::HashSet;
use std::fs;
use std::future::{Ready, ready};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Delivery, Handler, NOW, verifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign::clock::ManualClock;
use countersign::header::WEBHOOK_ID;
use countersign::key_source::{KeySource, Refreshed};
use countersign::replay::MemoryStore;
use countersign::sign::{PrivateKey, Signer};
use countersign::{KeySet, PublicKey, Reason, TokenPolicy, UnixTime, Verifier};
use countersign_tower::{PerRequest, Rejection, VerifyLayer};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer, ServiceExt};

/// A source with the verifier `first`, and the result `then` of a refresh.
#[derive(Clone, Debug)]
struct Changing {
    first: Verifier,
    then: Refreshed,
    asked: Arc<AtomicUsize>,
}

impl KeySource for Changing {
    type Refreshing = Ready<Refreshed>;

    fn verifier(&self) -> Verifier {
        self.first.clone()
    }

    fn refresh(&self, _: &Verifier) -> Ready<Refreshed> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        ready(self.then.clone())
    }
}

fn changing(first: Verifier, then: Refreshed) -> Changing {
    Changing { first, then, asked: Arc::default() }
}

fn pinned(keys: &[&PrivateKey]) -> Verifier {
    let keys = keys.iter().map(|key| PublicKey::parse(&key.public()).expect("a public key"));
    Verifier::builder("test").public_keys(keys).key_set(KeySet::default()).build().expect("a valid description")
}

fn signed(key: &PrivateKey, body: &'static str) -> Delivery {
    let signer = Signer::with_keys([], [key.clone()]).expect("one key");
    Delivery::signed_at(&signer, UnixTime::from_secs(NOW), "msg_1", body)
}

/// The response to a delivery that arrives at `now`, without a socket.
async fn answer<K: KeySource + Clone>(layer: &VerifyLayer<K>, handler: &Handler, delivery: &Delivery) -> Response<()> {
    let mut request = Request::post("/").body(Full::new(delivery.body.clone())).expect("a request");
    request.headers_mut().clone_from(&delivery.headers);
    let Ok(response) = layer.layer(handler.clone()).oneshot(request).await else { panic!("the handler failed") };
    response.map(drop)
}

fn layer_at<K>(keys: K, now: u64) -> VerifyLayer<K> {
    VerifyLayer::new(keys).clock(Arc::new(ManualClock::new(UnixTime::from_secs(now))))
}

fn rejection(response: &Response<()>) -> Option<Rejection> {
    response.extensions().get::<Rejection>().copied()
}

#[tokio::test]
async fn a_new_key_verifies_the_delivery_that_triggered_the_refresh() {
    let (old, new) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    let delivery = signed(&new, "body");
    // Without any key the head is rejected, and with a wrong key the body is.
    for first in [pinned(&[]), pinned(&[&old])] {
        let keys = changing(first, Refreshed::Newer(pinned(&[&old, &new])));
        let handler = Handler::default();
        let response = answer(&layer_at(keys.clone(), NOW), &handler, &delivery).await;
        assert_eq!((response.status(), handler.calls()), (StatusCode::OK, 1));
        assert_eq!(keys.asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn keys_are_refreshed_once_and_only_if_a_new_one_could_help() {
    let (old, new) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    let handler = Handler::default();
    for (then, rejected) in [
        (Refreshed::Newer(pinned(&[&old])), "signature_mismatch"),
        (Refreshed::Unchanged, "signature_mismatch"),
        (Refreshed::Unavailable, "keys_unavailable"),
    ] {
        let keys = changing(pinned(&[&old]), then);
        let response = answer(&layer_at(keys.clone(), NOW), &handler, &signed(&new, "body")).await;
        assert_eq!(rejection(&response).expect("a rejection").code(), rejected);
        assert_eq!(keys.asked.load(Ordering::SeqCst), 1);
        let is_unavailable = rejected == "keys_unavailable";
        let status = if is_unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::UNAUTHORIZED };
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("retry-after"), is_unavailable);
    }
    // No public key can make an HMAC match, or an old delivery recent.
    let keys = changing(verifier("test"), Refreshed::Unavailable);
    let mut late = signed(&new, "body");
    late.headers.insert("webhook-timestamp", HeaderValue::from(NOW - 301));
    for delivery in [crate::common::forgery("msg_1", "body"), late] {
        let response = answer(&layer_at(keys.clone(), NOW), &handler, &delivery).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!((keys.asked.load(Ordering::SeqCst), handler.calls()), (0, 0));
}

/// Four keys, none of which has signed.
fn four_keys() -> Verifier {
    pinned(&[1_u8, 2, 3, 4].map(|seed| PrivateKey::from_seed(&[seed; 32])).each_ref())
}

/// A body that counts how much of it is read.
struct Counted {
    left: usize,
    announced: bool,
    read: Arc<AtomicUsize>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let len = self.left.min(1024);
        self.left -= len;
        self.read.fetch_add(len, Ordering::SeqCst);
        std::task::Poll::Ready((len > 0).then(|| Ok(http_body::Frame::data(Bytes::from(vec![b'x'; len])))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        if self.announced { http_body::SizeHint::with_exact(self.left as u64) } else { http_body::SizeHint::new() }
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_for_its_signatures_is_not_read() {
    let signature = signed(&PrivateKey::from_seed(&[9; 32]), "body").headers;
    let limit = four_keys().begin(&signature, UnixTime::from_secs(NOW)).expect("a good head").body_limit();
    let limit = limit.expect("a limit");
    assert!((16 * 1024..VerifyLayer::DEFAULT_BODY_LIMIT).contains(&limit), "{limit}");
    for announced in [true, false] {
        let read = Arc::new(AtomicUsize::new(0));
        let body = Counted { left: 1024 * 1024, announced, read: Arc::clone(&read) };
        let mut request = Request::post("/").body(body).expect("a request");
        request.headers_mut().clone_from(&signature);
        let (keys, handler) = (changing(four_keys(), Refreshed::Unavailable), Handler::default());
        let service = layer_at(keys.clone(), NOW).layer(handler.clone());
        let Ok(response) = service.oneshot(request).await else { panic!("the handler failed") };
        let rejection = response.extensions().get::<Rejection>().copied().expect("a rejection");
        assert_eq!((response.status(), rejection.code()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
        assert!(rejection.to_string().contains("4 pairs of a `v1a` signature and a key"), "{rejection}");
        assert!(read.load(Ordering::SeqCst) <= if announced { 0 } else { limit + 1024 });
        assert_eq!((keys.asked.load(Ordering::SeqCst), handler.calls()), (0, 0));
    }
    // If the limit of the layer is smaller, it applies.
    let layer = layer_at(four_keys(), NOW).body_limit(100);
    let mut delivery = signed(&PrivateKey::from_seed(&[9; 32]), "body");
    delivery.body = vec![b'x'; 101].into();
    let response = answer(&layer, &Handler::default(), &delivery).await;
    assert_eq!(rejection(&response), Some(Rejection::BodyTooLarge { limit: 100 }));
}

#[tokio::test]
async fn a_body_that_would_be_too_expensive_with_newer_keys_keeps_its_rejection() {
    let keys: Vec<_> = (1..=5).map(|seed| PrivateKey::from_seed(&[seed; 32])).collect();
    let all: Vec<_> = keys.iter().collect();
    let body: &'static str = "x".repeat(81 * 1024).leak();
    let delivery = signed(&keys[4], body);
    // This length is allowed with four keys, but not with eight.
    let newer = changing(pinned(&all[..4]), Refreshed::Newer(pinned(&all[1..])));
    let response = answer(&layer_at(newer, NOW), &Handler::default(), &delivery).await;
    assert_eq!(rejection(&response).expect("a rejection").code(), "signature_mismatch");
    // The next attempt is verified with the newer keys from the start.
    let handler = Handler::default();
    let response = answer(&layer_at(pinned(&all[1..]), NOW), &handler, &delivery).await;
    assert_eq!((response.status(), handler.calls()), (StatusCode::OK, 1));
}

fn token_verifier(tolerance: u64) -> Verifier {
    let builder = Verifier::builder("test").token(TokenPolicy::new(["https://hooks.example.com"]));
    builder.tolerance(Duration::from_secs(tolerance)).build().expect("a verifier")
}

fn store(retain: Duration) -> Arc<MemoryStore> {
    Arc::new(MemoryStore::builder().retain(retain).build())
}

#[test]
fn a_store_that_forgets_too_early_is_not_accepted() {
    let day = Duration::from_secs(24 * 60 * 60) + Duration::from_secs(60);
    for (verifier, needed) in [
        (verifier("test"), Duration::from_secs(10 * 60)),
        (token_verifier(300), day + Duration::from_secs(5 * 60)),
        (token_verifier(0), day),
        (token_verifier(100_000), Duration::from_secs(200_000)),
    ] {
        let put = |retain| {
            let layer = VerifyLayer::new(verifier.clone()).store(store(retain));
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(layer.layer(Handler::default())))).is_ok()
        };
        assert_eq!(verifier.longest_life(), needed);
        assert!(put(needed) && !put(needed.saturating_sub(Duration::from_secs(1))), "{verifier:?}");
    }
}

#[tokio::test]
async fn a_source_that_is_chosen_per_request_is_checked_for_each_request() {
    for (retain, status) in
        [(Duration::from_secs(10 * 60), StatusCode::OK), (Duration::from_secs(9 * 60), StatusCode::SERVICE_UNAVAILABLE)]
    {
        let keys = PerRequest::new(|_: &http::request::Parts| Some(verifier("test")));
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(NOW)));
        let handler = Handler::default();
        let service = VerifyLayer::new(keys).store(store(retain)).clock(clock).layer(handler.clone());
        let delivery = crate::common::delivery("msg_1", "body");
        let mut request = Request::post("/").body(Full::new(delivery.body.clone())).expect("a request");
        request.headers_mut().clone_from(&delivery.headers);
        let Ok(response) = service.oneshot(request).await else { panic!("the handler failed") };
        assert_eq!((response.status(), handler.calls()), (status, usize::from(status == StatusCode::OK)));
        let code = response.extensions().get::<Rejection>().map(Rejection::code);
        assert_eq!(code, (status != StatusCode::OK).then_some("retain_too_short"));
    }
}

/// The token cases of the vectors, each with its verifier.
fn token_cases() -> Vec<(Value, Verifier, Delivery)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/dynamic-rs256.json");
    let cases: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(path).expect("the vectors")).expect("an array of cases");
    cases.into_iter().map(|case| (case.clone(), described(&case["verifier"]), captured(&case["request"]))).collect()
}

fn described(verifier: &Value) -> Verifier {
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().into_iter().flatten();
        all.map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    let set = KeySet::parse(verifier["jwks"].to_string().as_bytes()).expect("a key set");
    let builder = Verifier::builder("test").key_set(Arc::new(set));
    let token = &verifier["token"];
    let policy = TokenPolicy::new(texts(&token["audience"])).issuer(texts(&token["issuer"]));
    let builder = match (token.is_null(), token["body_binding"].as_str()) {
        (true, _) => builder,
        (false, None) => builder.token(policy),
        (false, Some(_)) => builder.token(policy.danger_accept_unbound_bodies()),
    };
    builder.build().expect("a valid description")
}

fn captured(request: &Value) -> Delivery {
    let headers = request["headers"].as_array().expect("headers").iter().map(|pair| {
        let text = |at: usize| pair[at].as_str().expect("a text");
        (text(0).parse::<HeaderName>().expect("a name"), HeaderValue::from_str(text(1)).expect("a value"))
    });
    let body = STANDARD.decode(request["body_base64"].as_str().expect("a body")).expect("base64");
    Delivery::new(headers.collect::<HeaderMap>(), body)
}

#[tokio::test]
async fn every_reason_of_a_token_has_its_status() {
    let mut reasons = HashSet::new();
    for (case, verifier, delivery) in token_cases() {
        let handler = Handler::default();
        let response = answer(&layer_at(verifier, case["now"].as_u64().expect("a time")), &handler, &delivery).await;
        let Some(reason) = case["expect"]["reason"].as_str() else {
            assert_eq!((response.status(), handler.calls()), (StatusCode::OK, 1), "{}", case["name"]);
            continue;
        };
        let status = if reason == "token_malformed" { StatusCode::BAD_REQUEST } else { StatusCode::UNAUTHORIZED };
        assert_eq!((response.status(), handler.calls()), (status, 0), "{}", case["name"]);
        assert_eq!(rejection(&response).expect("a rejection").code(), reason, "{}", case["name"]);
        reasons.insert(reason.to_owned());
    }
    for reason in Reason::ALL.iter().map(|reason| reason.as_str()).filter(|name| name.starts_with("token_")) {
        assert!(reasons.contains(reason), "{reason} has no case");
    }
}

#[tokio::test]
async fn another_webhook_id_does_not_make_a_token_new() {
    let cases = token_cases();
    let (case, verifier, mut delivery) =
        cases.into_iter().find(|(case, ..)| case["expect"]["verdict"] == "verified").expect("a genuine one");
    let (handler, layer) = (Handler::default(), layer_at(verifier, case["now"].as_u64().expect("a time")));
    assert_eq!(answer(&layer, &handler, &delivery).await.status(), StatusCode::OK);
    delivery.headers.insert(WEBHOOK_ID, HeaderValue::from_static("msg_another"));
    let response = answer(&layer, &handler, &delivery).await;
    assert_eq!((response.status(), handler.calls()), (StatusCode::OK, 1));
    assert_eq!(response.headers()["countersign-outcome"], "duplicate");
}
