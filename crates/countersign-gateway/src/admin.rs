//! Health, readiness and metrics, as a Tower service.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::clock::Clock;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};

use crate::metrics::Metrics;
use crate::source_keys::Awaited;
use crate::starting::Starting;

/// What the admin listener reports.
pub struct Admin {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Whether all listeners accept connections.
    pub starting: Starting,
    /// The key sets without which a source can verify nothing.
    pub awaited: Vec<Awaited>,
    /// The time, by which secrets expire.
    pub clock: Arc<dyn Clock>,
}

impl Admin {
    /// The service that responds to `/healthz`, `/readyz` and `/metrics`.
    pub fn into_service(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(async |State(admin): State<Arc<Self>>| admin.readiness()))
            .route("/metrics", get(async |State(admin): State<Arc<Self>>| admin.metrics()))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .with_state(Arc::new(self))
    }

    fn readiness(&self) -> Response {
        if !self.starting.is_over() {
            return (StatusCode::SERVICE_UNAVAILABLE, "not listening yet\n").into_response();
        }
        let missing: Vec<_> = self.awaited.iter().filter(|awaited| !awaited.has_come()).collect();
        if missing.is_empty() {
            return "ready\n".into_response();
        }
        let sources: Vec<_> = missing.iter().map(|awaited| format!("`{}`", awaited.source())).collect();
        (StatusCode::SERVICE_UNAVAILABLE, format!("no key set yet for {}\n", sources.join(", "))).into_response()
    }

    fn metrics(&self) -> Response {
        match self.metrics.to_text(self.clock.now()) {
            Ok(text) => {
                ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    }
}

/// The response to a wrong path, and to a webhook that was sent to the wrong listener.
async fn unknown(method: Method) -> (StatusCode, &'static str) {
    match method {
        Method::GET | Method::HEAD => (StatusCode::NOT_FOUND, "there is /healthz, /readyz and /metrics\n"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n"),
    }
}
