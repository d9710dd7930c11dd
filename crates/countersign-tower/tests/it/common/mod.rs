//! Shared by all tests of the layer: a sender, a programmable handler, servers and a client.

mod client;
pub(crate) mod grpc;
mod handler;
mod reports;
mod server;

use std::sync::Arc;

use bytes::Bytes;
use countersign::clock::ManualClock;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::replay::MemoryStore;
use countersign::{Secret, UnixTime, Verifier};
use countersign_test::delivery::signer;
use countersign_tower::{ResponseBody, VerifyLayer};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

pub(crate) use client::{Client, Framing, head};
pub(crate) use countersign_test::delivery::{Delivery, noise};
pub(crate) use countersign_test::wait::soon;
pub(crate) use countersign_test::wire::Reply;
pub(crate) use handler::{Action, Failure, Handler};
pub(crate) use reports::{reported, reporting};
pub(crate) use server::{Server, Stack, router, serve_axum, serve_hyper, start};

/// The start time of every test, in seconds since the epoch.
pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
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
    Verifier::builder(source).secret(secret).build().expect("a valid description")
}

/// Different secrets, by number.
const NUMBERED: [&str; 3] = [SECRET, OTHER_SECRET, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"];

/// The verifier of a source with its own secret.
pub(crate) fn verifier_for(source: &str, secret: usize) -> Verifier {
    let secret = Secret::parse(NUMBERED[secret]).expect("a good secret");
    Verifier::builder(source).secret(secret).build().expect("a valid description")
}

/// A delivery that is signed with this secret.
pub(crate) fn delivery_for(secret: usize, id: &str, body: impl Into<Bytes>) -> Delivery {
    sign(NUMBERED[secret], NOW, id, body.into())
}

/// An authentic delivery, signed now.
pub(crate) fn delivery(id: &str, body: impl Into<Bytes>) -> Delivery {
    delivery_at(NOW, id, body)
}

/// An authentic delivery, signed at this many seconds since the epoch.
pub(crate) fn delivery_at(secs: u64, id: &str, body: impl Into<Bytes>) -> Delivery {
    sign(SECRET, secs, id, body.into())
}

/// A delivery from someone without the secret, correct in everything else.
pub(crate) fn forgery(id: &str, body: impl Into<Bytes>) -> Delivery {
    sign(OTHER_SECRET, NOW, id, body.into())
}

fn sign(secret: &str, secs: u64, id: &str, body: Bytes) -> Delivery {
    Delivery::signed_at(&signer([secret]), UnixTime::from_secs(secs), id, body)
}

/// The names of the signed headers and of the signature.
pub(crate) const WEBHOOK_HEADERS: [http::HeaderName; 3] = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];

/// Passes one request to the layer around the handler, without a socket.
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
