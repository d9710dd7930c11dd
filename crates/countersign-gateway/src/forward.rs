//! Inside the layer: takes what was verified to a backend, and brings its answer back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign::{Clock, SystemClock, Verified};
use countersign_tower::{VerifiedBody, problem};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, request};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use prometheus_client::metrics::histogram::Histogram;
use tower_service::Service;

use crate::route::host_of;
use crate::trust;
use crate::upstream::{Upstream, Upstreams};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_IDLE_PER_HOST: usize = 512;

/// The pooled client that all routes share.
pub type Pool = Client<HttpConnector, VerifiedBody>;

/// The body of an answer: the backend's own as it comes in, or a problem document.
pub type Body = Either<Incoming, Full<Bytes>>;

/// Who sent the request; in its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

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
        let headers = headers_for_upstream(&head);
        let started = SystemClock.instant();
        let answer = tokio::time::timeout(self.timeout, self.send(&head.uri, &headers, &body)).await;
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
    async fn send(&self, uri: &Uri, headers: &HeaderMap, body: &VerifiedBody) -> Result<Response<Incoming>, Failure> {
        for _ in 0..self.upstreams.count() {
            let upstream = self.upstreams.next().ok_or(Failure::Unreachable)?;
            let request = request_to(&upstream, uri, headers.clone(), body.clone())?;
            match self.pool.request(request).await {
                Ok(response) => return Ok(response),
                Err(error) if error.is_connect() => {
                    tracing::warn!(upstream = %upstream.authority, %error, "the upstream cannot be connected to");
                }
                Err(error) => {
                    tracing::warn!(upstream = %upstream.authority, %error, "the upstream broke off");
                    return Err(Failure::Unreachable);
                }
            }
        }
        Err(Failure::Unreachable)
    }
}

fn request_to(
    upstream: &Upstream,
    uri: &Uri,
    mut headers: HeaderMap,
    body: VerifiedBody,
) -> Result<Request<VerifiedBody>, Failure> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme("http").authority(upstream.address.to_string()).path_and_query(path).build();
    if let Ok(host) = HeaderValue::from_str(upstream.authority.as_str()) {
        headers.insert(HOST, host);
    }
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri.map_err(|_| Failure::Unreachable)?;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

fn headers_for_upstream(head: &request::Parts) -> HeaderMap {
    let mut headers = head.headers.clone();
    trust::remove_hop_by_hop(&mut headers);
    trust::remove_framing(&mut headers);
    if let Some(verified) = head.extensions.get::<Verified>() {
        trust::insert_verdict(&mut headers, verified);
    }
    if let Some(Peer(address)) = head.extensions.get() {
        let before = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let chain = before.map(str::to_owned).chain([address.to_string()]).collect::<Vec<_>>().join(", ");
        if let Ok(chain) = HeaderValue::from_str(&chain) {
            headers.insert(X_FORWARDED_FOR, chain);
        }
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    match host_of(head).and_then(|host| HeaderValue::from_str(host).ok()) {
        Some(host) => headers.insert(X_FORWARDED_HOST, host),
        None => headers.remove(X_FORWARDED_HOST),
    };
    headers
}
