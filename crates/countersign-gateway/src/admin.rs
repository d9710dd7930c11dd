//! Health, readiness and metrics, on a listener of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpStream;

use crate::forward::Peer;
use crate::keys::Awaited;
use crate::metrics::Metrics;
use crate::server::Handle;

/// Answers `/healthz`, `/readyz` and `/metrics`.
pub struct Admin {
    metrics: Arc<Metrics>,
    listeners: Vec<SocketAddr>,
    listening: AtomicBool,
    awaited: Vec<Awaited>,
}

impl Admin {
    /// Tells of these metrics, and whether these listeners accept connections and these keys came.
    pub fn new(metrics: Arc<Metrics>, listeners: Vec<SocketAddr>, awaited: Vec<Awaited>) -> Self {
        Self { metrics, listeners, listening: AtomicBool::new(false), awaited }
    }

    /// Once every listener has accepted a connection; asked until then, and not after.
    async fn is_listening(&self) -> bool {
        if self.listening.load(Ordering::Relaxed) {
            return true;
        }
        for address in &self.listeners {
            if TcpStream::connect(address).await.is_err() {
                return false;
            }
        }
        self.listening.store(true, Ordering::Relaxed);
        true
    }

    async fn readiness(&self) -> Response<Full<Bytes>> {
        if !self.is_listening().await {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "not listening yet\n");
        }
        let missing: Vec<_> = self.awaited.iter().filter(|awaited| !awaited.has_come()).collect();
        if missing.is_empty() {
            return answer(StatusCode::OK, "ready\n");
        }
        let sources: Vec<_> = missing.iter().map(|awaited| format!("`{}`", awaited.source())).collect();
        answer(StatusCode::SERVICE_UNAVAILABLE, format!("no key set yet for {}\n", sources.join(", ")))
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.metrics.to_text() {
            Ok(text) => {
                let mut response = answer(StatusCode::OK, text);
                let format = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, format);
                response
            }
            Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

impl Handle for Admin {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _: Option<Peer>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        }
        match request.uri().path() {
            "/healthz" => answer(StatusCode::OK, "alive\n"),
            "/readyz" => self.readiness().await,
            "/metrics" => self.metrics(),
            _ => answer(StatusCode::NOT_FOUND, "there is /healthz, /readyz and /metrics\n"),
        }
    }
}

fn answer(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
