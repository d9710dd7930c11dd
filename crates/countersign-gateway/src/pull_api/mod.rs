//! The listener `pull`: backends that the gateway cannot reach lease deliveries of their destination, and say what became
//! of them.

mod body;
mod receipt;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use countersign::UnixTime;
use countersign::clock::Clock;
use countersign::replay::Settled;
use countersign_inbox::worker::{AttemptOutcome, NextStep, SharedInbox};
use countersign_inbox::{Delivery, DeliveryId, Filter, Inbox, Leased, Pending, Schedule};
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::admin_access::Refusal;
use crate::admin_token::AdminToken;
use crate::lifecycle::Lifecycle;
use crate::metrics::InboxCounts;
use body::{AckRequest, AckResult, Ending, LeaseRequest};

/// The maximum time of an operation of the inbox.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest request.
const MAX_REQUEST: usize = 256 * 1024;
/// No more deliveries are added to a response with so many bytes of bodies.
const ENOUGH: usize = 4 << 20;
/// How many deliveries are leased at once.
const AT_ONCE: usize = 4;

/// What backends may fetch.
pub struct Pulled {
    /// The inbox, if the store has one.
    pub inbox: Option<SharedInbox>,
    /// The destinations, by name.
    pub destinations: BTreeMap<String, PulledDestination>,
}

/// A destination whose backend fetches its messages.
pub struct PulledDestination {
    /// What the backend has to know.
    pub token: Option<AdminToken>,
    /// When failed deliveries are due again.
    pub schedule: Schedule,
    /// The counters of the route.
    pub counts: InboxCounts,
}

/// Serves what backends may fetch.
pub struct PullApi {
    pulled: Arc<ArcSwap<Pulled>>,
    lifecycle: Lifecycle,
    clock: Arc<dyn Clock>,
}

impl PullApi {
    /// Serves `pulled`, which a reload replaces. Nobody waits for deliveries any more once the process is asked to stop.
    pub fn new(pulled: Arc<ArcSwap<Pulled>>, lifecycle: Lifecycle, clock: Arc<dyn Clock>) -> Self {
        Self { pulled, lifecycle, clock }
    }

    /// The routes of `/v1/destinations/{name}/lease` and `/ack`.
    pub fn into_service(self) -> Router {
        Router::new()
            .route("/v1/destinations/{name}/lease", post(Self::lease))
            .route("/v1/destinations/{name}/ack", post(Self::acknowledge))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .with_state(Arc::new(self))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
    }

    async fn lease(
        State(api): State<Arc<Self>>,
        Path(name): Path<String>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Refusal> {
        let pulled = api.pulled.load_full();
        let (inbox, destination, request) = pulled.accept(&name, &headers, &body, LeaseRequest::check)?;
        let leased = api.wait(inbox, destination, &name, &request).await?;
        let deliveries: Vec<_> = leased.iter().map(body::delivery).collect();
        Ok(document(&json!({ "deliveries": deliveries })))
    }

    async fn acknowledge(
        State(api): State<Arc<Self>>,
        Path(name): Path<String>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Refusal> {
        let pulled = api.pulled.load_full();
        let (inbox, destination, request) = pulled.accept(&name, &headers, &body, AckRequest::check)?;
        let mut results = Vec::with_capacity(request.results.len());
        for one in request.results {
            let recorded = api.record(inbox, destination, &name, &one).await?;
            results.push(json!({ "receipt": one.receipt, "recorded": recorded }));
        }
        Ok(document(&json!({ "results": results })))
    }

    /// Leases deliveries, once there are some or the time is over. A lease is never interrupted, so that its deliveries
    /// are not lost until it ends.
    async fn wait(
        &self,
        inbox: &SharedInbox,
        destination: &PulledDestination,
        name: &str,
        request: &LeaseRequest,
    ) -> Result<Vec<Leased>, Refusal> {
        let deadline = self.clock.instant() + Duration::from_secs(request.wait);
        loop {
            let is_paused = inbox.is_paused(name, &*self.clock).await.map_err(|_| unavailable())?;
            let leased = if is_paused { Vec::new() } else { self.take(inbox, destination, name, request).await? };
            let left = deadline.saturating_duration_since(self.clock.instant());
            if !leased.is_empty() || left.is_zero() || self.lifecycle.is_stopping() {
                return Ok(leased);
            }
            tokio::select! {
                () = self.lifecycle.stopping() => {}
                _ = timeout(left, inbox.may_be_due(name, &*self.clock)) => {}
            }
        }
    }

    /// Leases deliveries that are due. Those that nobody acknowledged in the time of the schedule become dead letters.
    async fn take(
        &self,
        inbox: &SharedInbox,
        destination: &PulledDestination,
        name: &str,
        request: &LeaseRequest,
    ) -> Result<Vec<Leased>, Refusal> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < request.max && bytes < ENOUGH {
            let count = AT_ONCE.min(request.max - taken.len());
            let leased = inbox.lease(name, count, Duration::from_secs(request.lease), self.clock.read());
            let leased = match completed(leased).await {
                Ok(leased) => leased,
                Err(_) if !taken.is_empty() => break,
                Err(refusal) => return Err(refusal),
            };
            let is_last = leased.len() < count;
            for one in leased {
                if one.attempt > 1 && self.since(one.since) > destination.schedule.window {
                    let why = "it was not acknowledged in time";
                    completed(inbox.dead_letter(one.receipt, why, self.clock.read())).await?;
                    destination.counts.attempted(name, "dead");
                } else {
                    bytes += one.message.body.len();
                    taken.push(one);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(taken)
    }

    /// Records what became of a delivery of this destination. Returns whether the receipt was valid.
    async fn record(
        &self,
        inbox: &SharedInbox,
        destination: &PulledDestination,
        name: &str,
        result: &AckResult,
    ) -> Result<bool, Refusal> {
        let Some(receipt) = receipt::parse(&result.receipt) else { return Ok(false) };
        let Some(delivery) = find(inbox, receipt.delivery()).await?.filter(|found| found.destination == name) else {
            return Ok(false);
        };
        let step = self.step(destination, &delivery, result);
        let now = self.clock.read();
        let settled = match &step {
            NextStep::Done => inbox.acknowledge(receipt, now),
            NextStep::Retry { delay, error } => inbox.retry(receipt, *delay, error, now),
            NextStep::Dead { error } => inbox.dead_letter(receipt, error, now),
        };
        let is_recorded = completed(settled).await? == Settled::Recorded;
        if is_recorded {
            destination.counts.attempted(name, step.name());
        }
        Ok(is_recorded)
    }

    fn step(&self, destination: &PulledDestination, delivery: &Delivery, result: &AckResult) -> NextStep {
        let error = if result.error.is_empty() { "the backend reported a failure" } else { &result.error }.to_owned();
        let outcome = match result.result {
            Ending::Done => AttemptOutcome::Done,
            Ending::Retry => AttemptOutcome::Failed { error, retry_after: result.after.map(Duration::from_secs) },
            Ending::Dead => AttemptOutcome::Hopeless { error },
        };
        let elapsed = self.since(delivery.since);
        NextStep::after(outcome, delivery.attempts, elapsed, &destination.schedule, fastrand::f64())
    }

    fn since(&self, time: UnixTime) -> Duration {
        Duration::from_millis(self.clock.now().as_millis().saturating_sub(time.as_millis()))
    }
}

impl Pulled {
    /// The inbox and the destination of this name for a request with these headers, and what its body asks for.
    fn accept<T: DeserializeOwned>(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
        check: impl Fn(&T) -> Result<(), &'static str>,
    ) -> Result<(&SharedInbox, &PulledDestination, T), Refusal> {
        let (inbox, destination) = self.admit(name, headers)?;
        let request = read(body)?;
        check(&request).map_err(|why| Refusal::new(StatusCode::BAD_REQUEST, why))?;
        Ok((inbox, destination, request))
    }

    /// The inbox and the destination of this name, if a request with these headers may use it.
    fn admit(&self, name: &str, headers: &HeaderMap) -> Result<(&SharedInbox, &PulledDestination), Refusal> {
        if headers.contains_key(ORIGIN) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "requests from web pages are not accepted\n"));
        }
        let found = self.destinations.get(name);
        let is_admitted = |destination: &&PulledDestination| {
            destination.token.as_ref().is_none_or(|token| token.is_known_to(headers))
        };
        match (found.filter(is_admitted), &self.inbox) {
            (Some(destination), Some(inbox)) => Ok((inbox, destination)),
            // Without a token, nobody learns which destinations there are.
            _ if found.is_some() || self.destinations.values().any(|destination| destination.token.is_some()) => {
                let why = "send the token of the destination: `Authorization: Bearer TOKEN`\n";
                Err(Refusal::new(StatusCode::UNAUTHORIZED, why))
            }
            _ => Err(Refusal::new(StatusCode::NOT_FOUND, "there is no destination with this name that is pulled\n")),
        }
    }
}

async fn find(inbox: &SharedInbox, id: DeliveryId) -> Result<Option<Delivery>, Refusal> {
    let older_than = Some(DeliveryId::new(id.number().saturating_add(1)));
    let newest = completed(inbox.list(Filter { older_than, limit: 1, ..Filter::default() })).await?;
    Ok(newest.into_iter().find(|delivery| delivery.id == id))
}

/// The result of an operation of the inbox.
async fn completed<T>(pending: Pending<T>) -> Result<T, Refusal> {
    timeout(TIMEOUT, pending).await.ok().and_then(Result::ok).ok_or_else(unavailable)
}

fn unavailable() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable: try again\n")
}

/// The JSON of a request. Without a body, all values are the default ones.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    let invalid = |error| Refusal(StatusCode::BAD_REQUEST, format!("the body is invalid: {error}\n").into());
    // Otherwise an array would be read as the values of the keys, one after the other.
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(invalid)?;
    T::deserialize(object).map_err(invalid)
}

fn document(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}

async fn unknown() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is POST /v1/destinations/NAME/lease, and POST /v1/destinations/NAME/ack\n")
}
