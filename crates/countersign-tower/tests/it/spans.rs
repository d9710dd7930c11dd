//! Each request has a span. Its fields follow OpenTelemetry's conventions.

use std::future::{Ready, ready};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::common::{Action, Client, Framing, Handler, delivery, forgery, serve_hyper, setup};
use countersign::clock::ClockReading;
use countersign::replay::ReplayStore;
use countersign::replay::{Claim, ClaimToken, ReplayKey, Settled, StoreError};
use countersign_tower::policy::ConfirmAt;
use serde_json::Value;
use tower::{Layer, service_fn};
use tracing_subscriber::fmt::format::FmtSpan;

/// Everything that is logged, as JSON.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects everything that this thread logs from here on.
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().json().with_span_events(FmtSpan::CLOSE).with_writer(move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = String::from_utf8(bytes).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Waits for this many closed spans, and returns them.
    async fn closed(&self, count: usize) -> Vec<Value> {
        crate::common::soon(async {
            loop {
                let closed: Vec<_> =
                    self.lines().into_iter().filter(|line| line["fields"]["message"] == "close").collect();
                if closed.len() >= count {
                    return closed.into_iter().map(|line| line["span"].clone()).collect();
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

#[tokio::test]
async fn a_span_has_the_request_and_its_outcome() {
    let (log, _guard) = Log::listen();
    let (setup, handler) = (setup(), Handler::with_actions([Action::Status(202)]));
    let (addr, _server) = serve_hyper(setup.layer.layer(handler)).await;
    let mut client = Client::connect(addr).await;
    client.deliver(&delivery("msg_1", "body"), Framing::Length).await;
    client.deliver(&forgery("msg_2", "body"), Framing::Length).await;
    let spans = log.closed(2).await;
    let expected = serde_json::json!({
        "name": "webhook",
        "http.request.method": "POST",
        "url.path": "/hook",
        "http.response.status_code": 202,
        "messaging.message.id": "msg_1",
        "messaging.message.body.size": 4,
        "countersign.source": "test",
        "countersign.scheme": "v1",
        "countersign.key": "secret-1",
        "countersign.outcome": "confirmed",
    });
    assert_eq!(spans[0], expected);
    let expected = serde_json::json!({
        "name": "webhook",
        "http.request.method": "POST",
        "url.path": "/hook",
        "http.response.status_code": 401,
        "error.type": "signature_mismatch",
        "countersign.outcome": "refused",
    });
    assert_eq!(spans[1], expected, "nothing unverified is recorded");
}

#[tokio::test]
async fn log_events_of_the_service_belong_to_the_span() {
    let (log, _guard) = Log::listen();
    let setup = setup();
    let service = service_fn(|_: http::Request<countersign_tower::DeliveryBody>| async {
        tracing::info!("at it");
        Ok::<_, crate::common::Failure>(http::Response::new(http_body_util::Full::<bytes::Bytes>::from("handled")))
    });
    let layer = setup.layer.clone().confirm_at(ConfirmAt::BodyEnd);
    let (addr, _server) = serve_hyper(layer.layer(service)).await;
    Client::connect(addr).await.deliver(&delivery("msg_1", "body"), Framing::Length).await;
    // Also if the end of a body settles the delivery.
    assert_eq!(log.closed(1).await[0]["countersign.outcome"], "confirmed");
    let inside = log.lines().into_iter().find(|line| line["fields"]["message"] == "at it").expect("it was logged");
    assert_eq!(inside["span"]["url.path"], "/hook");
}

#[tokio::test]
async fn the_cause_of_a_failed_store_is_logged_in_the_span() {
    let (log, _guard) = Log::listen();
    let layer = setup().layer.store(Unplugged);
    let (addr, _server) = serve_hyper(layer.layer(Handler::default())).await;
    let reply = Client::connect(addr).await.deliver(&delivery("msg_1", "body"), Framing::Length).await;
    assert_eq!(reply.code(), "store_unavailable");
    assert!(!String::from_utf8_lossy(&reply.body).contains("cable"), "the sender does not see it");
    let line = log.lines().into_iter().find(|line| line["level"] == "WARN").expect("it was logged");
    assert_eq!(line["fields"]["error"], "the cable is out");
    assert_eq!(line["span"]["url.path"], "/hook");
}

#[derive(Clone)]
struct Unplugged;

impl ReplayStore for Unplugged {
    type Claiming = Ready<Result<Claim, StoreError>>;
    type Confirming = Ready<Result<Settled, StoreError>>;

    fn claim(&self, _: ReplayKey, _: Duration, _: ClockReading) -> Self::Claiming {
        ready(Err(StoreError::unavailable("the cable is out")))
    }

    fn confirm(&self, _: ClaimToken, _: ClockReading) -> Self::Confirming {
        ready(Err(StoreError::unavailable("the cable is out")))
    }

    fn release(&self, _: ClaimToken) {}
}
