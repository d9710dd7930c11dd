//! Inside the layer: takes what was verified to a backend, and brings its answer back.

mod headers;

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign::{Clock, SystemClock};
use countersign_tower::{VerifiedBody, problem};
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{self, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self as client, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use prometheus_client::metrics::histogram::Histogram;
use tower_service::Service;

pub use headers::Peer;
use headers::headers_for_upstream;

use crate::trust;
use crate::upstream::{Upstream, Upstreams};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_IDLE_PER_HOST: usize = 512;

/// The pooled client that all routes share.
pub type Pool = Client<HttpConnector, VerifiedBody>;

/// The body of an answer: the backend's own as it comes in, or a problem document.
pub type Body = Either<Incoming, Full<Bytes>>;

/// Why a backend's answer, or the want of one, is not what the sender gets; in the response's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It could not be reached, or broke off.
    Unreachable,
    /// It took too long.
    Timeout,
    /// It answered what no sender may be told: 410 would disable the endpoint, 3xx is not followed.
    Status(StatusCode),
}

impl Failure {
    /// The stable name, in snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::Timeout => "upstream_timeout",
            Self::Status(_) => "upstream_status",
        }
    }

    fn to_response(self) -> Response<Body> {
        let (status, detail) = match self {
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "the backend cannot be reached, or broke off".to_owned()),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "the backend took too long to answer".to_owned()),
            Self::Status(status) => {
                (StatusCode::BAD_GATEWAY, format!("the backend answered {status}, which is not passed on"))
            }
        };
        let mut response = problem::response(status, self.code(), &detail).map(|bytes| Either::Right(Full::new(bytes)));
        response.extensions_mut().insert(self);
        response
    }
}

/// A new pool of connections to backends.
pub fn pool() -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .build(connector)
}

/// Forwards verified requests to the backends of one route.
#[derive(Clone)]
pub struct Forward {
    route: Arc<Target>,
}

struct Target {
    pool: Pool,
    upstreams: Arc<Upstreams>,
    timeout: Duration,
    latency: Histogram,
}

impl Forward {
    /// Forwards to `upstreams`, which may take `timeout` until the head of their answer.
    pub fn new(pool: Pool, upstreams: Arc<Upstreams>, timeout: Duration, latency: Histogram) -> Self {
        Self { route: Arc::new(Target { pool, upstreams, timeout, latency }) }
    }
}

impl Service<Request<VerifiedBody>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<VerifiedBody>) -> Self::Future {
        let route = Arc::clone(&self.route);
        Box::pin(async move { Ok(route.forward(request).await.unwrap_or_else(Failure::to_response)) })
    }
}

impl Target {
    async fn forward(&self, request: Request<VerifiedBody>) -> Result<Response<Body>, Failure> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().cloned();
        let outgoing = Outgoing { path, headers: headers_for_upstream(head), body };
        let started = SystemClock.instant();
        let answer = tokio::time::timeout(self.timeout, self.send(outgoing)).await;
        self.latency.observe(SystemClock.instant().saturating_duration_since(started).as_secs_f64());
        let mut response = answer.map_err(|_| Failure::Timeout)??;
        let status = response.status();
        if status == StatusCode::GONE || status.is_redirection() || status.is_informational() {
            return Err(Failure::Status(status));
        }
        trust::remove_hop_by_hop(response.headers_mut());
        Ok(response.map(Either::Left))
    }

    /// Takes the backends in turn until one can be connected to: until then nothing was sent.
    async fn send(&self, outgoing: Outgoing) -> Result<Response<Incoming>, Failure> {
        let mut tried = Vec::new();
        while tried.len() + 1 < self.upstreams.count() {
            match self.try_next(outgoing.clone(), &mut tried).await {
                Err(Some(error)) if error.is_connect() => {}
                answer => return answer.map_err(|_| Failure::Unreachable),
            }
        }
        self.try_next(outgoing, &mut tried).await.map_err(|_| Failure::Unreachable)
    }

    async fn try_next(
        &self,
        outgoing: Outgoing,
        tried: &mut Vec<Arc<Upstream>>,
    ) -> Result<Response<Incoming>, Option<client::Error>> {
        let upstream = self.upstreams.next(tried).ok_or(None)?;
        let request = outgoing.to(&upstream).ok_or(None)?;
        let answer = self.pool.request(request).await;
        answer.map_err(|error| {
            let cause = error.source().map(tracing::field::display);
            tracing::warn!(upstream = ?upstream.host, address = %upstream.address, %error, cause, "no answer from the upstream");
            tried.push(upstream);
            Some(error)
        })
    }
}

/// A request on its way to whichever backend takes it.
#[derive(Clone)]
struct Outgoing {
    path: Option<PathAndQuery>,
    headers: HeaderMap,
    body: VerifiedBody,
}

impl Outgoing {
    fn to(mut self, upstream: &Upstream) -> Option<Request<VerifiedBody>> {
        let mut uri = uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(upstream.address.clone());
        uri.path_and_query = Some(self.path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        self.headers.insert(HOST, upstream.host.clone());
        // hyper says nothing of an empty body's length, and some servers wait for more then.
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.size_hint().lower()));
        let mut request = Request::new(self.body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(uri).ok()?;
        *request.headers_mut() = self.headers;
        Some(request)
    }
}
