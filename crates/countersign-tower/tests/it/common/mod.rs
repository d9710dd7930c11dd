//! What all tests of the layer share: a sender, a handler that does as it is told, servers, a client.

mod client;
pub(crate) mod grpc;
mod handler;
mod reports;
mod server;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{ManualClock, MemoryStore, MessageId, Secret, Signer, UnixTime, Verifier};
use countersign_tower::{ResponseBody, VerifyLayer};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

pub(crate) use client::{Client, Framing, Reply, head};
pub(crate) use handler::{Answer, Failure, Handler};
pub(crate) use reports::reported;
pub(crate) use server::{Server, Stack, router, serve_axum, serve_hyper, start};

/// Seconds since the epoch at which every test begins.
pub(crate) const NOW: u64 = 1_700_000_000;
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER_SECRET: &str = "whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=";

pub(crate) type TestLayer = VerifyLayer<Verifier, Arc<MemoryStore>>;

/// A layer, and the store and the clock inside it.
pub(crate) struct Setup {
    pub(crate) layer: TestLayer,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn setup() -> Setup {
    setup_with(MemoryStore::default())
}

pub(crate) fn setup_with(store: MemoryStore) -> Setup {
    let (store, clock) = (Arc::new(store), Arc::new(ManualClock::new(UnixTime::from_secs(NOW))));
    let layer = VerifyLayer::new(verifier("test")).store(Arc::clone(&store)).clock(Arc::clone(&clock));
    Setup { layer, store, clock }
}

pub(crate) fn verifier(source: &str) -> Verifier {
    let secret = Secret::parse(SECRET).expect("a good secret");
    Verifier::builder(source).secret(secret).build().expect("a sound description")
}

/// Secrets that are not each other, by number.
const NUMBERED: [&str; 3] = [SECRET, OTHER_SECRET, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"];

/// The verifier of a source with this secret of its own.
pub(crate) fn verifier_for(source: &str, secret: usize) -> Verifier {
    let secret = Secret::parse(NUMBERED[secret]).expect("a good secret");
    Verifier::builder(source).secret(secret).build().expect("a sound description")
}

/// A delivery that is signed with this secret.
pub(crate) fn delivery_for(secret: usize, id: &str, body: impl Into<Bytes>) -> Delivery {
    sign(NUMBERED[secret], NOW, id, body.into())
}

/// What a sender sends.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A genuine delivery, signed just now.
pub(crate) fn delivery(id: &str, body: impl Into<Bytes>) -> Delivery {
    delivery_at(NOW, id, body)
}

/// A genuine delivery, signed at this many seconds since the epoch.
pub(crate) fn delivery_at(secs: u64, id: &str, body: impl Into<Bytes>) -> Delivery {
    sign(SECRET, secs, id, body.into())
}

/// A delivery of somebody who does not have the secret, and is up to date in all else.
pub(crate) fn forgery(id: &str, body: impl Into<Bytes>) -> Delivery {
    sign(OTHER_SECRET, NOW, id, body.into())
}

fn sign(secret: &str, secs: u64, id: &str, body: Bytes) -> Delivery {
    let signer = Signer::new([Secret::parse(secret).expect("a good secret")]).expect("one secret");
    let id = MessageId::parse(id).expect("a good id");
    Delivery { headers: signer.sign(&id, UnixTime::from_secs(secs), &body), body }
}

impl Delivery {
    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    pub(crate) fn add(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name).expect("it was there");
        self
    }

    pub(crate) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        self.request_with(Full::new(self.body.clone()))
    }

    pub(crate) fn request_with<B>(&self, body: B) -> Request<B> {
        let mut request = Request::post("/hook").body(body).expect("a good request");
        request.headers_mut().extend(self.headers.clone());
        request
    }
}

/// Names of the headers that are signed or sign.
pub(crate) const WEBHOOK_HEADERS: [http::HeaderName; 3] = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];

/// Bytes that look random, and are the same in every run.
pub(crate) fn noise(len: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ len as u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    bytes.take(len).collect()
}

/// Hands one request to the layer around the handler, without a socket.
pub(crate) async fn send<L>(layer: &L, handler: &Handler, delivery: &Delivery) -> Reply
where
    L: Layer<Handler>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<ResponseBody<Full<Bytes>>>, Error = Failure>,
{
    let response = layer.layer(handler.clone()).oneshot(delivery.request()).await;
    reply(response.expect("the handler does not fail")).await
}

/// A response as a client sees it, with its extensions.
pub(crate) async fn reply(response: Response<ResponseBody<Full<Bytes>>>) -> Reply {
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    Reply { status: head.status, headers: head.headers, body: body.to_bytes(), extensions: head.extensions }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it happens soon, or never")
}
