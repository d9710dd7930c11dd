//! Health, readiness, metrics and commands, as a Tower service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, options};
use countersign::clock::Clock;
use http::header::{CONTENT_TYPE, HOST, VARY};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::assertion::Published;
use crate::commands;
use crate::inbox::Destinations;
use crate::lifecycle::Lifecycle;
use crate::metrics::{Format, Metrics};
use crate::source_keys::Awaited;
use crate::state::store::Engine;
use crate::upstream::Upstreams;

/// How long the check of readiness waits for a store that has failed.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// The admin listener.
pub struct Admin {
    shown: Arc<ArcSwap<Shown>>,
    lifecycle: Lifecycle,
    /// Whether everything had arrived once. A source or route that is added later must not take the others out of service.
    has_been_ready: AtomicBool,
    clock: Arc<dyn Clock>,
}

/// The parts of the running state that the admin listener shows.
pub struct Shown {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// The store that all sources share.
    pub engine: Engine,
    /// The public keys that verify assertions.
    pub published: Published,
    /// The key sets without which a source can verify nothing.
    pub awaited: Vec<Awaited>,
    /// The destinations of inboxes.
    pub destinations: Destinations,
    /// The name and the upstreams of each route without an inbox.
    pub routes: Vec<(String, Arc<Upstreams>)>,
}

impl Admin {
    /// Shows whether all listeners accept connections and none is about to stop (`lifecycle`) and what `shown` holds. Secrets expire by the time of
    /// `clock`.
    pub fn new(shown: Arc<ArcSwap<Shown>>, lifecycle: Lifecycle, clock: Arc<dyn Clock>) -> Self {
        Self { shown, lifecycle, has_been_ready: AtomicBool::new(false), clock }
    }

    /// The service that responds to `/healthz`, `/readyz`, `/metrics`, `/.well-known/jwks.json` and these commands.
    pub fn into_service(self, commands: Router) -> Router {
        let alive = async || "alive\n";
        let metrics = async |State(admin): State<Arc<Self>>, headers: HeaderMap| admin.metrics(&headers).await;
        let ready = async |State(admin): State<Arc<Self>>| admin.readiness().await;
        let key_set = async |State(admin): State<Arc<Self>>| admin.key_set();
        Router::new()
            // HAProxy checks with OPTIONS unless it is configured otherwise.
            .route("/healthz", get(alive).options(alive))
            .route("/readyz", get(ready).options(ready))
            // `option httpchk` without a path.
            .route("/", options(ready))
            .route("/metrics", get(metrics))
            .route("/.well-known/jwks.json", get(key_set))
            .with_state(Arc::new(self))
            .merge(commands)
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .layer(map_request(name_host))
    }

    async fn readiness(&self) -> Response {
        // A request that came just before an upgrade is about the service, which goes on.
        if self.lifecycle.has_successor() {
            return "ready\n".into_response();
        }
        if self.lifecycle.is_stopping() {
            return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
        }
        if !self.lifecycle.has_started() {
            return (StatusCode::SERVICE_UNAVAILABLE, "not listening yet\n").into_response();
        }
        let shown = self.shown.load_full();
        if !tokio::time::timeout(STORE_TIMEOUT, shown.engine.works()).await.unwrap_or(false) {
            return (StatusCode::SERVICE_UNAVAILABLE, "the store fails\n").into_response();
        }
        let missing = shown.missing();
        if missing.is_empty() || self.has_been_ready.load(Ordering::Relaxed) {
            self.has_been_ready.store(true, Ordering::Relaxed);
            return format!("ready\n{missing}").into_response();
        }
        (StatusCode::SERVICE_UNAVAILABLE, missing).into_response()
    }

    fn key_set(&self) -> Response {
        let text = self.shown.load().published.to_json(self.clock.now());
        ([(CONTENT_TYPE, "application/jwk-set+json")], text).into_response()
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response {
        let (format, shown, now) = (Format::accepted(headers), self.shown.load_full(), self.clock.now());
        shown.metrics.refresh(&shown.destinations, now).await;
        match shown.metrics.to_text(now, format) {
            // Caches have to tell the two formats apart.
            Ok(text) => ([(CONTENT_TYPE, format.content_type()), (VARY, "accept")], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    }
}

impl Shown {
    /// What has not arrived, a line for each kind. Often empty.
    fn missing(&self) -> String {
        let sources = self.awaited.iter().filter(|awaited| !awaited.has_come());
        let sources: Vec<_> = sources.map(|awaited| format!("`{}`", awaited.source())).collect();
        let routes = self.routes.iter().filter(|(_, upstreams)| upstreams.count() == 0);
        let routes: Vec<_> = routes.map(|(route, upstreams)| format!("{route} ({})", upstreams.names())).collect();
        let line = |what: &str, missing: &[String]| match missing {
            [] => String::new(),
            missing => format!("{what} {}\n", missing.join(", ")),
        };
        line("no key set yet for", &sources) + &line("no address of an upstream for", &routes)
    }
}

/// Names the host of a request in `Host`, also if it is named in the target alone, as HTTP/2 does (RFC 9113, 8.3.1).
async fn name_host(mut request: Request) -> Request {
    let host = request.uri().authority().and_then(|authority| authority.as_str().parse().ok());
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    request
}

/// The response to a wrong path, and to a webhook that was sent to the wrong listener.
async fn unknown(method: Method, uri: Uri) -> (StatusCode, &'static str) {
    match method {
        _ if uri.path().starts_with(commands::PREFIX) => (
            StatusCode::METHOD_NOT_ALLOWED,
            "there is POST /-/reload, DELETE /-/sources/SOURCE/ids/ID, and GET /-/inbox/deliveries\n",
        ),
        Method::GET | Method::HEAD => {
            (StatusCode::NOT_FOUND, "there is /healthz, /readyz, /metrics and /.well-known/jwks.json\n")
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n"),
    }
}
