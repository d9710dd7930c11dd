//! The service inside the layer. It sends verified requests to a backend and returns the response.
//!
//! # When a request is sent again
//!
//! - To another upstream, if nothing of it was written because the connection failed, or if the upstream has refused it
//!   over HTTP/2 (`REFUSED_STREAM`, or `GOAWAY` with the number of an earlier stream), which means that it was not handled
//!   (RFC 9113, 8.7).
//! - Once, on a new connection, if a reused one closed without a byte of a response. Servers close idle connections,
//!   and a request may be written just before the gateway sees that (RFC 9112, 9.3.1, and RFC 9110, 9.2.2). In nearly
//!   all cases the server has not read the request. A server that read it and then crashed looks the same, so a
//!   backend may see the same message twice, with the same `webhook-id`. Retries of the sender can cause that as well.
//!
//! - Once, to another upstream, if it got no response, on a route with `retry = "idempotent"`.
//!
//! In all other cases the request is not sent again. After a byte of a response, or if a new connection was closed, the
//! backend may have handled the delivery. Then the sender gets 502, the claim is released, and the sender may retry.

mod alarm;
mod attempt;
mod body;
mod connection;
mod failure;
mod framing;
mod head;
mod http2;
mod http2_body;
mod in_flight;
mod places;
mod pool;
mod protocol;
mod report;
mod request;
mod response;
mod span;
mod target;

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign::Verified;
use countersign::clock::{Clock, SystemClock};
use countersign_inbox::StoredMessage;
use countersign_tower::DeliveryBody;
use http::uri::PathAndQuery;
use http::{Request, Response};
use http_body_util::{Either, Full};
use prometheus_client::metrics::histogram::Histogram;
use tower_service::Service;

use alarm::after;
use attempt::{Attempt, Received};
use body::Limits;
pub use body::{BodyError, UpstreamBody};
pub use failure::Failure;
use head::Head;
pub use http2_body::Http2Body;
pub use in_flight::InFlight;
use in_flight::Slot;
pub use places::Places;
use request::{Outgoing, Source};
pub use target::PathChange;

use crate::assertion::Assertions;
use crate::config::RetrySpec;
use crate::telemetry::Trace;
use crate::trust::{Opened, SetHeaders};
use crate::upstream::{Upstream, UpstreamResult, Upstreams};

/// The body of a backend's response, over HTTP/1.1 or HTTP/2.
pub type BackendBody = Either<UpstreamBody, Http2Body>;

/// The body of a response: the backend's, or a problem document.
pub type Body = Either<BackendBody, Full<Bytes>>;

/// The timeouts for the upstreams of a route.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The maximum time to connect.
    pub connect: Duration,
    /// The maximum time until the head of the response, including the time to connect, and between two parts of its
    /// body.
    pub response: Duration,
    /// The maximum time for which a connection is idle between two requests.
    pub idle: Duration,
}

/// How a request is changed on its way to the backends of a route.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The client headers that are forwarded although they steer a backend.
    pub opened: Opened,
    /// The headers that it gets.
    pub set: SetHeaders,
    /// The change of its path.
    pub path: PathChange,
    /// Whether the names of headers are in title case.
    pub title_case: bool,
    /// Signs the assertion that it gets, if it gets one.
    pub assertions: Option<Assertions>,
}

/// A verified message from the inbox.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The message.
    pub message: StoredMessage,
    /// The number of the attempt, starting at 1.
    pub attempt: u32,
    /// Its trace, if it is traced.
    pub trace: Option<Trace>,
}

/// Forwards verified requests to the backends of one route.
#[derive(Clone)]
pub struct Forward {
    route: Arc<Target>,
}

struct Target {
    upstreams: Arc<Upstreams>,
    retry: RetrySpec,
    timeouts: Timeouts,
    changes: Arc<Changes>,
    places: Places,
    in_flight: InFlight,
    latency: Histogram,
}

impl Forward {
    /// Forwards to `upstreams`, over at most as many connections as there are `places`. Requests are sent with
    /// these `changes`, and sent again as `retry` says. Requests beyond the limit of `in_flight` are not sent. The time
    /// until the head of each response is recorded in `latency`.
    pub fn new(
        upstreams: Arc<Upstreams>,
        retry: RetrySpec,
        timeouts: Timeouts,
        changes: Changes,
        places: Places,
        in_flight: InFlight,
        latency: Histogram,
    ) -> Self {
        let changes = Arc::new(changes);
        Self { route: Arc::new(Target { upstreams, retry, timeouts, changes, places, in_flight, latency }) }
    }

    /// Sends a message that was stored, and returns the response of a backend.
    pub fn deliver(&self, stored: Stored) -> impl Future<Output = Result<Response<BackendBody>, Failure>> + Send {
        let prepared = self.route.prepare_stored(stored);
        async move {
            // Borrowed: if it were moved, the future would have room for it twice.
            match prepared {
                Ok((ref outgoing, slot)) => self.route.exchange(outgoing, slot).await,
                Err(failure) => Err(failure),
            }
        }
    }
}

impl Service<Request<DeliveryBody>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<DeliveryBody>) -> Self::Future {
        match self.route.prepare(request) {
            Ok((outgoing, slot)) => {
                let route = Arc::clone(&self.route);
                Box::pin(async move { Ok(respond(route.exchange(&outgoing, slot).await)) })
            }
            Err(failure) => Box::pin(ready(Ok(respond(Err(failure))))),
        }
    }
}

/// The response that the sender gets.
fn respond(outcome: Result<Response<BackendBody>, Failure>) -> Response<Body> {
    match outcome {
        Ok(response) => response.map(Either::Left),
        Err(failure) => failure.to_response().map(|bytes| Either::Right(Full::new(bytes))),
    }
}

impl Target {
    /// What is sent for a request that the layer has verified, and its place among the requests in flight.
    fn prepare(&self, request: Request<DeliveryBody>) -> Result<(Outgoing, Slot), Failure> {
        let slot = self.in_flight.enter().ok_or(Failure::OverCapacity)?;
        let (mut head, body) = request.into_parts();
        #[expect(
            clippy::expect_used,
            reason = "the layer rejects what it cannot verify, and what it verified is whole"
        )]
        let (verified, body) = (
            head.extensions.remove::<Verified>().expect("a verified delivery"),
            body.into_bytes().expect("the body of a verified delivery"),
        );
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        self.outgoing(Source::Verified { head, verified }, path, body).map(|outgoing| (outgoing, slot))
    }

    /// What is sent for a message that was stored, and its place among the requests in flight.
    fn prepare_stored(&self, stored: Stored) -> Result<(Outgoing, Slot), Failure> {
        let slot = self.in_flight.enter().ok_or(Failure::OverCapacity)?;
        let Stored { message: StoredMessage { key, path, headers, body, .. }, attempt, trace } = stored;
        let path = path.parse().map_err(|_| Failure::PathTooLong)?;
        let source = Source::Stored { message_id: key.message_id().clone(), headers, attempt, trace };
        self.outgoing(source, path, body).map(|outgoing| (outgoing, slot))
    }

    /// What is sent for a request with this path of the client.
    fn outgoing(&self, source: Source, path: PathAndQuery, body: Bytes) -> Result<Outgoing, Failure> {
        let path = self.changes.path.apply(path).ok_or(Failure::PathTooLong)?;
        let hop = source.trace().map(Trace::hop);
        let assertions = self.changes.assertions.as_ref();
        let assertion = assertions.and_then(|assertions| assertions.sign(&source.facts(&body)?));
        Ok(Outgoing { changes: Arc::clone(&self.changes), source, path, body, hop, assertion })
    }

    /// Sends a request, and returns the response of a backend.
    async fn exchange(&self, outgoing: &Outgoing, slot: Slot) -> Result<Response<BackendBody>, Failure> {
        let started = SystemClock.instant();
        let outcome = self.send(outgoing).await;
        let latency = SystemClock.instant().saturating_duration_since(started);
        self.latency.observe(latency.as_secs_f64());
        if let Some(hop) = &outgoing.hop {
            let response = outcome.as_ref().map(|(received, upstream)| (received.status(), &**upstream));
            span::end(hop, outgoing.source.attempt(), latency, response.map_err(|failure| *failure));
        }
        let (received, upstream) = outcome?;
        if let Err(unusable) = response::check(received.status()) {
            report::no_response(&upstream, &unusable);
            return Err(unusable.failure());
        }
        let (parts, body) = match received {
            Received::Http1(head, connection) => {
                let Head { parts, body, persists } = head;
                let limits = Limits { stall: self.timeouts.response, idle: self.timeouts.idle };
                (parts, Either::Left(UpstreamBody::new(body, persists, connection, upstream, limits, slot)))
            }
            Received::Http2(response) => {
                let (parts, incoming) = http2_body::split(response);
                (parts, Either::Right(Http2Body::new(incoming, upstream, self.timeouts.response, slot)))
            }
        };
        Ok(Response::from_parts(parts, body))
    }

    /// Sends the request, and once more to another upstream if the route allows that.
    async fn send(&self, outgoing: &Outgoing) -> Result<Exchanged, Failure> {
        let mut tries = Tries::default();
        match self.send_once(outgoing, &mut tries).await {
            Err(failure) if self.may_repeat(failure, &tries) => {
                tries.is_repeat = true;
                self.send_once(outgoing, &mut tries).await
            }
            outcome => outcome,
        }
    }

    /// Whether a request that may have been sent is sent to an upstream that was not tried.
    fn may_repeat(&self, failure: Failure, tries: &Tries) -> bool {
        self.retry == RetrySpec::Idempotent
            && matches!(failure, Failure::Timeout | Failure::Unreachable)
            && tries.failed.len() < self.upstreams.count()
    }

    /// Tries one upstream after another, until one may have seen the request.
    async fn send_once(&self, outgoing: &Outgoing, tries: &mut Tries) -> Result<Exchanged, Failure> {
        let (message, deadline) = (outgoing.message(), after(self.timeouts.response));
        loop {
            let upstream = self.upstreams.next(message, &tries.failed).ok_or(Failure::Unreachable)?;
            let (places, timeouts) = (&self.places, self.timeouts);
            let attempt = Attempt { outgoing, upstream: &upstream, places, timeouts, deadline };
            let error = match attempt.run(&mut tries.is_repeat).await {
                Ok(received) => {
                    self.upstreams.record(&upstream, message, UpstreamResult::Response(received.status()));
                    return Ok((received, upstream));
                }
                Err(error) => error,
            };
            report::no_response(&upstream, &error);
            if let Some(result) = error.result() {
                self.upstreams.record(&upstream, message, result);
            }
            tries.failed.push(upstream);
            if !error.is_unhandled() || tries.failed.len() >= self.upstreams.count() {
                return Err(error.failure());
            }
        }
    }
}

type Exchanged = (Received, Arc<Upstream>);

/// The attempts for one request.
#[derive(Default)]
struct Tries {
    /// The upstreams that did not respond.
    failed: Vec<Arc<Upstream>>,
    /// Whether a backend may have seen the request. From then on, only new connections are used.
    is_repeat: bool,
}
