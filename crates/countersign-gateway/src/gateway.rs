//! The path of a request, from top to bottom:
//! route → method → head → body → verify → filter → claim → forward → settle → answer → record.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use countersign::{Clock, SystemClock};
use countersign_tower::{BodyBudget, Outcome, Rejection, Report, ResponseBody, Verify, VerifyLayer, problem};
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use crate::forward::{self, Failure, Forward, Peer, Places, Timeouts};
use crate::log::Log;
use crate::metrics::{Metrics, RouteMetrics};
use crate::route::Table;
use crate::serve::head::{self, Malformed};
use crate::serve::{Arrival, Ending, Handle, RequestBody};
use crate::source_keys::Keys;
use crate::state::source::Source;
use crate::state::{LiveRoute, State};

/// The body of an answer: what the layer gives, or a problem document of the gateway's own.
pub type Body = Either<ResponseBody<forward::Body>, Full<Bytes>>;

/// The reason of a delivery whose event type could not be read, whether it was forwarded or rejected.
const NO_TYPE: &str = "no_type";

/// All routes, each with the layer around its backends.
pub struct Gateway {
    routes: Table<Route>,
    metrics: Arc<Metrics>,
    log: Log,
    no_route: Arc<String>,
}

struct Route {
    name: Arc<String>,
    metrics: RouteMetrics,
    /// head → body → verify → filter → claim → forward → settle
    verify: Verify<Forward, Keys>,
}

impl Gateway {
    /// Puts the layer around the backends of each route.
    pub fn new(state: &State, log: &Log, places: &Places) -> Self {
        let entries = state.routes.iter().map(|route| {
            let built = Route::new(route, &state.budget, places, &state.metrics);
            (route.config.host.clone(), route.config.path.clone(), built)
        });
        let routes = Table::new(entries);
        let (metrics, log) = (Arc::clone(&state.metrics), log.clone());
        Self { routes, metrics, log, no_route: Arc::new("none".into()) }
    }

    /// Counts and logs what became of a request. Without a verified delivery, it may have come from anybody: then
    /// the rate of lines is bounded.
    fn record(
        &self,
        route: Option<&Route>,
        peer: Option<&Peer>,
        response: &Response<Body>,
        arrived: Instant,
        ended: Instant,
    ) {
        let report = response.extensions().get::<Report>();
        let (outcome, reason) = outcome_of(response, report);
        let name = route.map_or(&self.no_route, |route| &route.name);
        match route {
            // Counted at its end.
            _ if report.is_some_and(|report| *report.outcome() == Outcome::Deferred) => {}
            // Nearly all are this one: its counter is at hand.
            Some(route) if (outcome, reason) == (Outcome::Confirmed.as_str(), "") => {
                route.metrics.confirmed.inc();
            }
            _ => self.metrics.count(name, outcome, reason),
        }
        if let (Some(route), Some(time)) = (route, report.and_then(Report::verification_time)) {
            route.metrics.verification.observe(time.as_secs_f64());
        }
        let verified = report.and_then(Report::verified);
        let expired = match report.and_then(Report::rejection) {
            Some(Rejection::Unverified(rejection)) => rejection.fits_expired_secret(),
            _ => false,
        };
        if let (Some(route), true) = (route, expired) {
            route.metrics.expired_secret.inc();
        }
        if verified.is_none() && !self.log.admits_unverified(reason, ended) {
            return;
        }
        let took = ended.saturating_duration_since(arrived);
        tracing::info!(
            route = name.as_str(),
            outcome,
            reason = (!reason.is_empty()).then_some(reason),
            expired_secret = expired.then_some(true),
            status = response.status().as_u16(),
            peer = peer.map(tracing::field::display),
            message_id = verified.map(|verified| verified.message_id().as_str()),
            key = verified.map(countersign::Verified::key_label),
            body_bytes = verified.map(|verified| verified.body().len()),
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

impl Handle for Gateway {
    type Body = Body;

    /// Responds to one request. It runs to its end even if the sender hangs up: a delivery that reached
    /// its backend settles by what the backend made of it.
    async fn handle(&self, request: Request<RequestBody>, arrival: Arrival) -> Response<Body> {
        let arrived = SystemClock.instant();
        let Arrival { peer, two_framings } = arrival;
        let (mut head, body) = request.into_parts();
        if let Some(peer) = &peer {
            head.extensions.insert(peer.clone());
        }
        let well_formed = head::check(&head, two_framings);
        let route = well_formed.ok().and_then(|()| self.routes.find(&head));
        let response = match (well_formed, route) {
            (Err(malformed), _) => bad_request(malformed),
            (Ok(()), None) => no_route(),
            (Ok(()), Some(_)) if head.method != Method::POST => method_not_allowed(),
            (Ok(()), Some(route)) => route.verify(Request::from_parts(head, body)).await,
        };
        self.record(route, peer.as_ref(), &response, arrived, SystemClock.instant());
        response
    }

    fn on_ending(&self, ending: Ending) {
        if ending.is_rejection() {
            self.metrics.count(&self.no_route, "refused", ending.code());
        } else {
            self.metrics.connection_closed(ending.code());
        }
    }
}

impl Route {
    fn new(route: &LiveRoute, budget: &BodyBudget, places: &Places, all_metrics: &Arc<Metrics>) -> Self {
        let LiveRoute { config: route, source, upstreams } = route;
        let name = Arc::new(match &route.host {
            Some(host) => format!("{host}{}", route.path),
            None => route.path.to_string(),
        });
        let metrics = all_metrics.of_route(&name);
        let timeouts = Timeouts {
            connect: route.connect_timeout(),
            response: route.upstream_timeout,
            idle: route.upstream_idle_timeout,
        };
        let opened = route.forward_headers.clone();
        let forward = Forward::new(Arc::clone(upstreams), timeouts, opened, places.clone(), metrics.upstream.clone());
        let ends = Ends { name: Arc::clone(&name), metrics: Arc::clone(all_metrics), source: Arc::clone(source) };
        let mut layer = VerifyLayer::new(source.keys.clone())
            .on_report(move |report| ends.record(report))
            .store(Arc::clone(&source.store))
            .lease(source.lease)
            .body_limit(route.body_limit)
            .body_budget(budget.clone())
            .body_timeout(route.body_timeout)
            .untyped(route.untyped())
            .grpc(route.grpc);
        if let Some(events) = &route.events {
            layer = layer.events(events.filter().clone());
        }
        Self { name, metrics, verify: layer.layer(forward) }
    }

    async fn verify(&self, request: Request<RequestBody>) -> Response<Body> {
        // A clone is ready at once, as what is inside it always is.
        match self.verify.clone().call(request).await {
            Ok(response) => response.map(Either::Left),
            Err(infallible) => match infallible {},
        }
    }
}

/// Records the deliveries whose answer's body told what became of them, once it has; and what each says of
/// the source's store.
#[derive(Clone)]
struct Ends {
    name: Arc<String>,
    metrics: Arc<Metrics>,
    source: Arc<Source>,
}

impl Ends {
    fn record(&self, report: &Report) {
        self.source.fullness.note(report.outcome());
        if report.was_deferred() {
            let (outcome, reason) = (report.outcome().as_str(), reason_of(report));
            self.metrics.count(&self.name, outcome, reason);
            let message_id = report.verified().map(|verified| verified.message_id().as_str());
            let reason = (!reason.is_empty()).then_some(reason);
            tracing::info!(route = self.name.as_str(), outcome, reason, message_id, "settled at the end of the answer");
        }
    }
}

fn outcome_of(response: &Response<Body>, report: Option<&Report>) -> (&'static str, &'static str) {
    match report.map(Report::outcome) {
        Some(Outcome::Rejected(refusal)) => ("refused", refusal.code()),
        Some(Outcome::Released) => {
            ("released", response.extensions().get::<Failure>().map_or("upstream_failed", |failure| failure.code()))
        }
        Some(outcome) => (outcome.as_str(), report.map_or("", reason_of)),
        None if response.status() == StatusCode::BAD_REQUEST => (
            "refused",
            response.extensions().get::<Malformed>().map_or("malformed_request", |malformed| malformed.code()),
        ),
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => ("refused", "method_not_allowed"),
        None => ("refused", "no_route"),
    }
}

fn bad_request(malformed: Malformed) -> Response<Body> {
    let mut response = own(problem::response(StatusCode::BAD_REQUEST, malformed.code(), malformed.detail()));
    response.extensions_mut().insert(malformed);
    response
}

/// Why an outcome that says all by itself deserves a second look: the route filters events, and could not read
/// the type of this one.
fn reason_of(report: &Report) -> &'static str {
    if report.is_untyped() { NO_TYPE } else { "" }
}

fn no_route() -> Response<Body> {
    own(problem::response(StatusCode::NOT_FOUND, "no_route", "no route is configured for this host and path"))
}

fn method_not_allowed() -> Response<Body> {
    let detail = "webhooks are sent with POST";
    let mut response = own(problem::response(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

fn own(response: Response<Bytes>) -> Response<Body> {
    response.map(|bytes| Either::Right(Full::new(bytes)))
}
