//! Health, readiness and metrics, on a listener of their own.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::metrics::Metrics;
use crate::process::listener::Starting;
use crate::serve::{Arrival, Ending, Handle, RequestBody};
use crate::source_keys::Awaited;

/// Answers `/healthz`, `/readyz` and `/metrics`.
pub struct Admin {
    metrics: Arc<Metrics>,
    starting: Starting,
    awaited: Vec<Awaited>,
}

impl Admin {
    /// Serves these metrics, and reports whether all listeners have started and these keys have arrived.
    pub fn new(metrics: Arc<Metrics>, starting: Starting, awaited: Vec<Awaited>) -> Self {
        Self { metrics, starting, awaited }
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
        if !self.starting.is_over() {
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

    async fn handle(&self, request: Request<RequestBody>, _: Arrival) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        }
        match request.uri().path() {
            "/healthz" => answer(StatusCode::OK, "alive\n"),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics(),
            _ => answer(StatusCode::NOT_FOUND, "there is /healthz, /readyz and /metrics\n"),
        }
    }

    fn on_ending(&self, _: Ending) {}
}

fn answer(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
