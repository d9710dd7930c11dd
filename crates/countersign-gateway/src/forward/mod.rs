//! The service inside the layer. It sends verified requests to a backend and returns the response.
//!
//! # When a request is sent again
//!
//! - To another upstream, if nothing of it was written because the connection failed.
//! - Once, on a new connection, if a reused one closed without a byte of a response. Servers close idle connections,
//!   and a request may be written just before the gateway sees that (RFC 9112, 9.3.1, and RFC 9110, 9.2.2). In nearly
//!   all cases the server has not read the request. A server that read it and then crashed looks the same, so a
//!   backend may see the same message twice, with the same `webhook-id`. Retries of the sender can cause that as well.
//!
//! In all other cases the request is not sent again. After a byte of a response, or if a new connection was closed, the
//! backend may have handled the delivery. Then the sender gets 502, the claim is released, and the sender may retry.

mod body;
mod connection;
mod failure;
mod headers;
mod in_flight;
mod places;
mod pool;
mod report;
mod response;
mod target;
mod transport;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign_tower::DeliveryBody;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use prometheus_client::metrics::histogram::Histogram;
use tower_service::Service;

pub use body::{BodyError, UpstreamBody};
use connection::{Connection, ExchangeError};
pub use failure::Failure;
use headers::headers_for_upstream;
pub use in_flight::InFlight;
pub use places::Places;
pub use target::PathChange;

use crate::trust::{Opened, SetHeaders};
use crate::upstream::{Upstream, Upstreams};

/// The body of a response: the backend's, or a problem document.
pub type Body = Either<UpstreamBody, Full<Bytes>>;

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
}

/// Forwards verified requests to the backends of one route.
#[derive(Clone)]
pub struct Forward {
    route: Arc<Target>,
}

struct Target {
    upstreams: Arc<dyn Upstreams>,
    timeouts: Timeouts,
    changes: Changes,
    places: Places,
    in_flight: InFlight,
    latency: Histogram,
}

impl Forward {
    /// Forwards to `upstreams`, over at most as many connections as there are `places`. Requests are sent with
    /// these `changes`. Requests beyond the limit of `in_flight` are not sent. The time until the head of each response is recorded in `latency`.
    pub fn new(
        upstreams: Arc<dyn Upstreams>,
        timeouts: Timeouts,
        changes: Changes,
        places: Places,
        in_flight: InFlight,
        latency: Histogram,
    ) -> Self {
        Self { route: Arc::new(Target { upstreams, timeouts, changes, places, in_flight, latency }) }
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
        let route = Arc::clone(&self.route);
        Box::pin(async move {
            Ok(match route.forward(request).await {
                Ok(response) => response.map(Either::Left),
                Err(failure) => failure.to_response().map(|bytes| Either::Right(Full::new(bytes))),
            })
        })
    }
}

impl Target {
    async fn forward(&self, request: Request<DeliveryBody>) -> Result<Response<UpstreamBody>, Failure> {
        let slot = self.in_flight.enter().ok_or(Failure::OverCapacity)?;
        let (head, body) = request.into_parts();
        #[expect(
            clippy::expect_used,
            reason = "the layer rejects what it cannot verify, and what it verified is whole"
        )]
        let body = body.into_bytes().expect("the body of a verified delivery");
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let path = self.changes.path.apply(path).ok_or(Failure::PathTooLong)?;
        let outgoing =
            Outgoing { path, headers: headers_for_upstream(head, &self.changes.opened, &self.changes.set), body };
        let mut tries = Tries::default();
        let started = SystemClock.instant();
        let outcome = tokio::time::timeout(self.timeouts.response, self.send(&outgoing, &mut tries)).await;
        self.latency.observe(SystemClock.instant().saturating_duration_since(started).as_secs_f64());
        let Ok(outcome) = outcome else {
            if let Some(upstream) = tries.current {
                report::no_response(&upstream, &TooSlow(self.timeouts.response));
            }
            return Err(Failure::Timeout);
        };
        let (response, connection, upstream) = outcome?;
        let (mut head, incoming) = response.into_parts();
        if let Err(unusable) = response::accept(&mut head) {
            report::no_response(&upstream, &unusable);
            return Err(unusable.failure());
        }
        let body = UpstreamBody::new(incoming, connection, upstream, self.timeouts.response, self.timeouts.idle, slot);
        Ok(Response::from_parts(head, body))
    }

    /// Tries one upstream after another, until one may have seen the request.
    async fn send(&self, outgoing: &Outgoing, tries: &mut Tries) -> Result<Exchanged, Failure> {
        loop {
            let upstream = self.upstreams.next(&tries.failed).ok_or(Failure::Unreachable)?;
            tries.current = Some(Arc::clone(&upstream));
            let error = match self.try_upstream(&upstream, outgoing, &mut tries.is_repeat).await {
                Ok((response, connection)) => return Ok((response, connection, upstream)),
                Err(error) => error,
            };
            report::no_response(&upstream, &error);
            tries.failed.push(upstream);
            if !error.is_unsent() || tries.failed.len() >= self.upstreams.count() {
                return Err(error.failure());
            }
        }
    }

    /// Sends the request on an idle connection, or on a new one if there is none or it turns out to be closed.
    async fn try_upstream(
        &self,
        upstream: &Upstream,
        outgoing: &Outgoing,
        is_repeat: &mut bool,
    ) -> Result<(Response<Incoming>, Connection), TryError> {
        while !*is_repeat && let Some(connection) = pool::take(upstream.address, self.timeouts.idle) {
            match connection.exchange(outgoing.to(upstream)).await {
                Err(error) if error.is_unsent() => report::stale_connection(upstream, &error),
                Err(error) if error.is_silent_close() => {
                    report::stale_connection(upstream, &error);
                    *is_repeat = true;
                }
                outcome => return outcome.map_err(TryError::Exchange),
            }
        }
        let connection =
            Connection::open(upstream.address, &self.places, self.timeouts.connect).await.map_err(TryError::Connect)?;
        connection.exchange(outgoing.to(upstream)).await.map_err(TryError::Exchange)
    }
}

type Exchanged = (Response<Incoming>, Connection, Arc<Upstream>);

/// The attempts for one request.
#[derive(Default)]
struct Tries {
    /// The upstreams that have not seen the request.
    failed: Vec<Arc<Upstream>>,
    /// The upstream of the current attempt.
    current: Option<Arc<Upstream>>,
    /// Whether a backend may have seen the request. From then on, only new connections are used.
    is_repeat: bool,
}

/// Why there is no response head from an upstream.
#[derive(Debug)]
enum TryError {
    Connect(io::Error),
    Exchange(ExchangeError),
}

impl TryError {
    /// Whether nothing of the request was written.
    fn is_unsent(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Exchange(error) => error.is_unsent(),
        }
    }

    fn failure(&self) -> Failure {
        match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::QuotaExceeded => Failure::Busy,
            Self::Connect(_) => Failure::Unreachable,
            Self::Exchange(error) => error.failure(),
        }
    }
}

impl fmt::Display for TryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("cannot connect to the upstream"),
            Self::Exchange(error) => error.fmt(f),
        }
    }
}

impl Error for TryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Exchange(error) => error.source(),
        }
    }
}

/// The head of a response did not arrive in time.
#[derive(Debug)]
struct TooSlow(Duration);

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no complete response head within {:?} (`upstream_timeout`)", self.0)
    }
}

impl Error for TooSlow {}

/// A request that is sent to one backend or another.
struct Outgoing {
    path: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    fn to(&self, upstream: &Upstream) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.path.clone());
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(HOST, upstream.host.clone());
        // hyper sends no `Content-Length` for an empty body, and some servers then wait for more.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        request
    }
}
