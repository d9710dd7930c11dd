//! The path of a request, from top to bottom:
//! route → method → head → body → verify → filter → claim → forward → settle → answer → record.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign_tower::{BodyBudget, Report, ResponseBody, Verify, VerifyLayer, reject::problem};
use http::header::ALLOW;
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use crate::config;
use crate::forward::{self, Forward, Peer, Places, Timeouts};
use crate::ledger::{Entry, Ledger, RouteLedger};
use crate::route::Table;
use crate::serve::head::{self, Malformed};
use crate::serve::{Arrival, Ending, Handle, RequestBody};
use crate::source_keys::Keys;
use crate::state::Source;
use crate::upstream::Upstreams;

/// The body of an answer: what the layer gives, or a problem document of the gateway's own.
pub type Body = Either<ResponseBody<forward::Body>, Full<Bytes>>;

/// All routes, each with the layer around its backends.
pub struct Gateway {
    routes: Table<Route>,
    ledger: Ledger,
}

struct Route {
    ledger: RouteLedger,
    /// head → body → verify → filter → claim → forward → settle
    verify: Verify<Forward, Keys>,
}

impl Gateway {
    /// Puts the layer around the backends of each route, which `balance` builds from their names.
    ///
    /// All routes share `budget`, which bounds the bytes of heads and bodies that are held at one time.
    pub fn new(
        routes: Vec<config::Route>,
        sources: &BTreeMap<String, Arc<Source>>,
        budget: &BodyBudget,
        ledger: &Ledger,
        places: &Places,
        mut balance: impl FnMut(Vec<Authority>) -> Arc<dyn Upstreams>,
    ) -> Self {
        let entries = routes.into_iter().filter_map(|route| {
            // Each route names a source that is configured: the configuration was checked.
            let source = sources.get(&route.source)?;
            let upstreams = balance(route.upstream.clone());
            let built = Route::new(&route, source, budget, upstreams, places, ledger);
            Some((route.host, route.path, built))
        });
        let routes = Table::new(entries.collect::<Vec<_>>());
        Self { routes, ledger: ledger.clone() }
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
        let (reason, response) = match (well_formed, route) {
            (Err(malformed), _) => (malformed.code(), bad_request(malformed)),
            (Ok(()), None) => ("no_route", no_route()),
            (Ok(()), Some(_)) if head.method != Method::POST => ("method_not_allowed", method_not_allowed()),
            // Recorded by its layer.
            (Ok(()), Some(route)) => return route.verify(Request::from_parts(head, body)).await,
        };
        let latency = SystemClock.instant().saturating_duration_since(arrived);
        let entry = Entry::rejected(reason, response.status(), peer.as_ref(), latency);
        match route {
            Some(route) => route.ledger.record(&entry),
            None => self.ledger.record(&entry),
        }
        response
    }

    fn on_ending(&self, ending: Ending) {
        if ending.is_rejection() {
            self.ledger.record_headless(ending.code());
        } else {
            self.ledger.record_closed(ending.code());
        }
    }
}

impl Route {
    fn new(
        route: &config::Route,
        source: &Arc<Source>,
        budget: &BodyBudget,
        upstreams: Arc<dyn Upstreams>,
        places: &Places,
        ledger: &Ledger,
    ) -> Self {
        let ledger = ledger.route(match &route.host {
            Some(host) => format!("{host}{}", route.path),
            None => route.path.to_string(),
        });
        let timeouts = Timeouts {
            connect: route.connect_timeout,
            response: route.upstream_timeout,
            idle: route.upstream_idle_timeout,
        };
        let opened = route.forward_headers.clone();
        let forward = Forward::new(upstreams, timeouts, opened, places.clone(), ledger.metrics().upstream.clone());
        let (entries, noted) = (ledger.clone(), Arc::clone(source));
        let mut layer = VerifyLayer::new(source.keys.clone())
            .on_request(move |head| {
                let (entries, noted, peer) =
                    (entries.clone(), Arc::clone(&noted), head.extensions.get::<Peer>().cloned());
                move |report: &Report| {
                    noted.fullness.note(report.outcome());
                    entries.record(&Entry::reported(report, peer.as_ref()));
                }
            })
            .store(Arc::clone(&source.store))
            .lease(source.lease)
            .body_limit(route.body_limit)
            .body_budget(budget.clone())
            .body_timeout(route.body_timeout)
            .untyped(route.untyped)
            .grpc(route.grpc);
        if let Some(events) = &route.events {
            layer = layer.events(events.clone());
        }
        Self { ledger, verify: layer.layer(forward) }
    }

    async fn verify(&self, request: Request<RequestBody>) -> Response<Body> {
        // A clone is ready at once, as what is inside it always is.
        match self.verify.clone().call(request).await {
            Ok(response) => response.map(Either::Left),
            Err(infallible) => match infallible {},
        }
    }
}

fn bad_request(malformed: Malformed) -> Response<Body> {
    own(problem::response(StatusCode::BAD_REQUEST, malformed.code(), malformed.detail()))
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
