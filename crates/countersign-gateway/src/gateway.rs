//! The path of a request, from top to bottom:
//! route → method → head → body → verify → filter → claim → forward → settle → respond → record.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use countersign::clock::Clock;
use countersign_tower::body::BodyError;
use countersign_tower::reject::problem;
use countersign_tower::{ResponseBody, Verify, VerifyLayer, verify};
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::assertion::Assertions;
use crate::client_limit::{ClientLimit, LimitedClient};
use crate::config::{DeliverySpec, ProbeSpec};
use crate::connection::Connection;
use crate::forward::{self, Changes, Forward, InFlight, PathChange, Places, Timeouts};
use crate::handler::Handler;
use crate::inbox::{self, Destinations, Enqueue, Worker};
use crate::ledger::{Entry, Ledger, RouteLedger};
use crate::proxies::TrustedProxies;
use crate::rate::Limiter;
use crate::recording::Recording;
use crate::route::{Table, host_of};
use crate::serve::TwoFramings;
use crate::serve::head::{self, Malformed};
use crate::source_keys::Keys;
use crate::state::store::SourceStore;
use crate::state::{LiveRoute, LiveTarget, State};
use crate::telemetry::Tracer;
use crate::unrouted::Unrouted;

const CLIENT_LIMIT: &str = "too many requests from your address were rejected: retry later";
const OVER_RATE: &str = "more requests than the route accepts: retry later";

/// The body of a response: from the layer, or a problem document of the gateway itself.
pub type Body = Either<ResponseBody<forward::Body>, Full<Bytes>>;

/// All routes, each with the layer around its backends: a Tower service for requests with any body. Clones share them.
///
/// The extensions of a request describe its connection ([`Connection`]) and its head ([`TwoFramings`]).
#[derive(Clone)]
pub struct Gateway(Arc<Routes>);

struct Routes {
    /// Replaced as a whole by a reload. Requests in progress keep the route that they started with.
    served: ArcSwap<Served>,
    ledger: Ledger,
    places: Places,
    client_limit: Option<Arc<ClientLimit>>,
    tracer: Option<Tracer>,
    clock: Arc<dyn Clock>,
}

/// What a configuration says of requests.
struct Served {
    proxies: TrustedProxies,
    table: Table<Route>,
    /// Deliver the messages of inboxes.
    workers: Vec<Worker>,
}

struct Route {
    ledger: RouteLedger,
    probe: Option<ProbeSpec>,
    limiter: Option<Limiter>,
    /// head → body → verify → filter → claim → forward → settle
    verify: Verify<Handler, Keys, SourceStore>,
}

impl Gateway {
    /// Puts the layer around the backends of each route. Outcomes are recorded in `ledger`. `places` is the maximum
    /// number of connections to upstreams. Requests are traced by `tracer`, if there is one.
    pub fn new(state: &State, ledger: &Ledger, places: &Places, tracer: Option<Tracer>, clock: Arc<dyn Clock>) -> Self {
        let (ledger, places) = (ledger.clone(), places.clone());
        let served = ArcSwap::from_pointee(Served::new(state, &ledger, &places, tracer.as_ref(), &clock));
        Self(Arc::new(Routes { served, ledger, places, client_limit: state.client_limit.clone(), tracer, clock }))
    }

    /// Serves the routes of this state from the next request on, over all connections.
    pub fn replace(&self, state: &State) {
        let Routes { served, ledger, places, tracer, clock, .. } = &*self.0;
        served.store(Arc::new(Served::new(state, ledger, places, tracer.as_ref(), clock)));
    }

    /// The destinations of inboxes in `state`, which is served.
    pub fn destinations(&self, state: &State) -> Destinations {
        let pulled = state.routes.iter().flat_map(|route| &route.pulled).map(|(spec, _)| spec.name.clone());
        Destinations { workers: self.workers(), pulled: pulled.collect() }
    }

    /// The background tasks of the routes that have an inbox.
    pub fn workers(&self) -> Vec<Worker> {
        self.0.served.load().workers.clone()
    }
}

impl<B> Service<Request<B>> for Gateway
where
    B: http_body::Body<Error: Into<BodyError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<B> {
        self.0.respond(request)
    }
}

impl Routes {
    fn respond<B>(&self, request: Request<B>) -> ResponseFuture<B>
    where
        B: http_body::Body<Error: Into<BodyError>> + Send + 'static,
    {
        let arrived = self.clock.instant();
        let (mut head, body) = request.into_parts();
        let served = self.served.load();
        let connection = head.extensions.get::<Connection>();
        if let Some(reported) = connection.and_then(|connection| served.proxies.reported(connection, &head.headers)) {
            head.extensions.insert(reported);
        }
        let trace = self.tracer.as_ref().and_then(|tracer| tracer.begin(&head.headers));
        if let Some(trace) = &trace {
            head.extensions.insert(trace.clone());
        }
        let limited = self.limited(&head);
        if let Some((client, _)) = limited {
            head.extensions.insert(client);
        }
        let over_limit = limited.and_then(|(client, limit)| limit.check(client, arrived).err());
        let well_formed = head::check(&head, head.extensions.get::<TwoFramings>().is_some());
        let route = well_formed.ok().and_then(|()| served.table.find(&head));
        let (reason, response) = match (over_limit, well_formed, route) {
            (Some(wait), ..) => (Some("client_limit"), too_many("client_limit", CLIENT_LIMIT, wait)),
            (None, Err(malformed), _) => (Some(malformed.code()), bad_request(malformed)),
            (None, Ok(()), None) => (Some("no_route"), no_route()),
            (None, Ok(()), Some(route)) if route.probe.is_some() && is_probe(&head.method) => {
                (None, probed(&head.method))
            }
            (None, Ok(()), Some(_)) if head.method != Method::POST => {
                (Some("method_not_allowed"), method_not_allowed())
            }
            (None, Ok(()), Some(route)) => match route.limiter.as_ref().map(|limiter| limiter.admit(arrived)) {
                Some(Err(wait)) => (Some("over_rate"), too_many("over_rate", OVER_RATE, wait)),
                // The layer of the route records it. A clone is ready at once, because its inner service is always ready.
                Some(Ok(())) | None => {
                    return ResponseFuture::of(route.verify.clone().call(Request::from_parts(head, body)));
                }
            },
        };
        if let Some((client, limit)) = limited {
            limit.note(client, response.status(), arrived);
        }
        let latency = self.clock.instant().saturating_duration_since(arrived);
        let (status, peer) = (response.status(), head.extensions.get().map(Connection::peer));
        let entry = match reason {
            Some(reason) => Entry::rejected(reason, status, peer, latency),
            None => Entry::probed(status, peer, latency),
        };
        let entry = entry.traced(trace.as_ref());
        match route {
            Some(route) => route.ledger.record(&entry),
            None => self.ledger.record(&entry, || self.unrouted(&head)),
        }
        ResponseFuture::ready(response)
    }

    /// The client of this request and its limit, if it is limited.
    fn limited(&self, head: &request::Parts) -> Option<(LimitedClient, &ClientLimit)> {
        let limit = self.client_limit.as_deref()?;
        Some((limit.client(head.extensions.get()?)?, limit))
    }

    /// What a request without a route asked for, and the route that it just misses.
    fn unrouted(&self, head: &request::Parts) -> Unrouted {
        let hint = self.served.load().table.near(head).map(|(path, difference)| {
            format!("only {} differs from the route {path}: correct the sender's URL or the route", difference.as_str())
        });
        Unrouted::new(head.method.as_str(), host_of(head), head.uri.path(), hint)
    }
}

pin_project! {
    /// The response future of a [`Gateway`].
    pub struct ResponseFuture<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Verify { #[pin] verify: verify::ResponseFuture<Handler, B, forward::Body, Keys, SourceStore> },
        Own { response: Option<Response<Body>> },
    }
}

impl<B> ResponseFuture<B> {
    fn of(verify: verify::ResponseFuture<Handler, B, forward::Body, Keys, SourceStore>) -> Self {
        Self { kind: Kind::Verify { verify } }
    }

    fn ready(response: Response<Body>) -> Self {
        Self { kind: Kind::Own { response: Some(response) } }
    }
}

impl<B> Future for ResponseFuture<B>
where
    B: http_body::Body<Error: Into<BodyError>> + Send + 'static,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Verify { verify } => verify.poll(cx).map_ok(|response| response.map(Either::Left)),
            KindProjection::Own { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}

impl Served {
    fn new(state: &State, ledger: &Ledger, places: &Places, tracer: Option<&Tracer>, clock: &Arc<dyn Clock>) -> Self {
        let mut workers = Vec::new();
        let table = Table::new(state.routes.iter().map(|route| {
            let (built, delivering) = Route::new(route, state, ledger, places, tracer, clock);
            workers.extend(delivering);
            (route.config.host.clone(), route.config.path.clone(), built)
        }));
        Self { proxies: state.trusted_proxies.clone(), table, workers }
    }
}

impl Route {
    /// The route, and what delivers the messages of its inbox.
    fn new(
        route: &LiveRoute,
        state: &State,
        ledger: &Ledger,
        places: &Places,
        tracer: Option<&Tracer>,
        clock: &Arc<dyn Clock>,
    ) -> (Self, Vec<Worker>) {
        let LiveRoute { config: route, source, targets, .. } = route;
        let ledger = ledger.route(route.name(), route.log_sample);
        let mut forwards = targets.iter().map(|target| (target, forward(target, &ledger, places, clock)));
        let inbox = state.inbox.clone().filter(|_| route.delivery == DeliverySpec::Inbox);
        let (handler, store, workers) = if let Some(inbox) = inbox {
            let retain = source.retain();
            let counts = state.metrics.counts().of_inbox(&route.name());
            let shared = inbox::Shared { inbox, keep: state.keep, tracer, clock, counts: counts.clone() };
            let (served, workers) = inbox::of_route(route, forwards.collect(), &shared);
            let (opened, time) = (route.forward_headers.clone(), Arc::clone(clock));
            let enqueue = Enqueue::new(served, opened, retain, time, counts);
            (Handler::Inbox(enqueue), SourceStore::Inbox(retain), workers)
        } else {
            #[expect(clippy::expect_used, reason = "a route without destinations is its own target")]
            let (_, forward) = forwards.next().expect("a target");
            (Handler::Direct(forward), source.store.clone(), Vec::new())
        };
        let recording = Arc::new(Recording {
            ledger: ledger.clone(),
            source: Arc::clone(source),
            client_limit: state.client_limit.clone(),
            clock: Arc::clone(clock),
        });
        let mut layer = VerifyLayer::new(source.keys.clone())
            .on_request(move |head| recording.of(head))
            .clock(Arc::clone(clock))
            .store(store)
            .lease(source.lease)
            .on_duplicate(source.duplicates.into())
            .body_limit(route.body_limit)
            .body_budget(state.budget.clone())
            .body_timeout(route.body_timeout)
            .untyped(route.untyped())
            .grpc(route.grpc);
        if let Some(events) = &route.events {
            layer = layer.events(events.filter().clone());
        }
        let limiter = route.rate().map(Limiter::new);
        (Self { ledger, probe: route.probe, limiter, verify: layer.layer(handler) }, workers)
    }
}

/// Forwards requests to this target of a route.
fn forward(target: &LiveTarget, ledger: &RouteLedger, places: &Places, clock: &Arc<dyn Clock>) -> Forward {
    let LiveTarget { config: route, upstreams, set_headers, issuer, .. } = target;
    let timeouts = Timeouts {
        connect: route.connect_timeout(),
        response: route.upstream_timeout,
        idle: route.upstream_idle_timeout,
    };
    let changes = Changes {
        opened: route.forward_headers.clone(),
        set: set_headers.clone(),
        path: PathChange::new(route.strip_prefix(), route.upstream_path()),
        title_case: route.title_case_headers,
        assertions: issuer.as_ref().map(|issuer| Assertions::new(Arc::clone(issuer), Arc::clone(clock))),
    };
    let in_flight = InFlight::new(route.max_in_flight, ledger.metrics().in_flight.clone());
    let latency = ledger.metrics().upstream.clone();
    Forward::new(Arc::clone(upstreams), route.retry, timeouts, changes, places.clone(), in_flight, latency)
}

fn too_many(code: &str, detail: &str, wait: Duration) -> Response<Body> {
    let mut response = own(problem::response(StatusCode::TOO_MANY_REQUESTS, code, detail));
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

fn bad_request(malformed: Malformed) -> Response<Body> {
    own(problem::response(StatusCode::BAD_REQUEST, malformed.code(), malformed.detail()))
}

fn no_route() -> Response<Body> {
    own(problem::response(StatusCode::NOT_FOUND, "no_route", "no route is configured for this host and path"))
}

/// Whether a sender or a monitor asks in this way if the URL exists.
fn is_probe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

fn probed(method: &Method) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    if *method == Method::OPTIONS {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS, POST"));
    }
    response
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
