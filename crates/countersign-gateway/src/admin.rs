//! Health, readiness, metrics and the reload of the configuration, as a Tower service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use countersign::clock::Clock;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode, Uri};

use crate::metrics::Metrics;
use crate::reload::{Reload, ReloadError};
use crate::source_keys::Awaited;
use crate::starting::Starting;

/// Where the configuration is reloaded.
const RELOAD: &str = "/-/reload";

/// The admin listener.
pub struct Admin {
    shown: Arc<ArcSwap<Shown>>,
    starting: Starting,
    /// Whether all key sets had arrived once. A source that is added later must not take the others out of service.
    has_been_ready: AtomicBool,
    clock: Arc<dyn Clock>,
    reload: Option<Reload>,
}

/// The parts of the running state that the admin listener shows.
pub struct Shown {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// The key sets without which a source can verify nothing.
    pub awaited: Vec<Awaited>,
}

impl Admin {
    /// Shows whether all listeners accept connections (`starting`) and what `shown` holds. Secrets expire by the time of
    /// `clock`. Without `reload`, reloads are forbidden.
    pub fn new(shown: Arc<ArcSwap<Shown>>, starting: Starting, clock: Arc<dyn Clock>, reload: Option<Reload>) -> Self {
        Self { shown, starting, has_been_ready: AtomicBool::new(false), clock, reload }
    }

    /// The service that responds to `/healthz`, `/readyz`, `/metrics` and `POST /-/reload`.
    pub fn into_service(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(async |State(admin): State<Arc<Self>>| admin.readiness()))
            .route("/metrics", get(async |State(admin): State<Arc<Self>>| admin.metrics()))
            .route(RELOAD, post(async |State(admin): State<Arc<Self>>| admin.reload().await))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .with_state(Arc::new(self))
    }

    fn readiness(&self) -> Response {
        if !self.starting.is_over() {
            return (StatusCode::SERVICE_UNAVAILABLE, "not listening yet\n").into_response();
        }
        let shown = self.shown.load();
        let missing: Vec<_> = shown.awaited.iter().filter(|awaited| !awaited.has_come()).collect();
        if missing.is_empty() || self.has_been_ready.load(Ordering::Relaxed) {
            self.has_been_ready.store(true, Ordering::Relaxed);
            return "ready\n".into_response();
        }
        let sources: Vec<_> = missing.iter().map(|awaited| format!("`{}`", awaited.source())).collect();
        (StatusCode::SERVICE_UNAVAILABLE, format!("no key set yet for {}\n", sources.join(", "))).into_response()
    }

    async fn reload(&self) -> Response {
        let Some(reload) = &self.reload else {
            let why = "only an admin listener on a loopback address reloads: send SIGHUP instead\n";
            return (StatusCode::FORBIDDEN, why).into_response();
        };
        match reload.request().await {
            Ok(warnings) => {
                let lines = std::iter::once("reloaded".to_owned()).chain(warnings);
                lines.map(|line| line + "\n").collect::<String>().into_response()
            }
            Err(error @ ReloadError::Rejected(_)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response()
            }
            Err(error @ ReloadError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        }
    }

    fn metrics(&self) -> Response {
        match self.shown.load().metrics.to_text(self.clock.now()) {
            Ok(text) => {
                ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    }
}

/// The response to a wrong path, and to a webhook that was sent to the wrong listener.
async fn unknown(method: Method, uri: Uri) -> (StatusCode, &'static str) {
    match method {
        _ if uri.path() == RELOAD => (StatusCode::METHOD_NOT_ALLOWED, "POST only\n"),
        Method::GET | Method::HEAD => (StatusCode::NOT_FOUND, "there is /healthz, /readyz and /metrics\n"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n"),
    }
}
