//! The ledger: one entry for each request, with any outcome. Metrics, the log line and the span of the request are
//! written from it.

use std::sync::Arc;
use std::time::Duration;

use countersign::Verified;
use countersign::clock::Clock;
use countersign_tower::{Outcome, Rejection, Report};
use http::{HeaderMap, StatusCode};

use crate::config::Share;
use crate::connection::{Address, Peer};
use crate::log::{Log, Sampler};
use crate::metrics::{Counts, RouteMetrics, TurnedAway};
use crate::recent::{Recent, Seen};
use crate::serve::Ending;
use crate::telemetry::{Trace, Value};
use crate::unrouted::Unrouted;
use crate::unverified::Unverified;

/// The reason of a delivery whose event type could not be read, whether it was forwarded or rejected.
const NO_TYPE: &str = "no_type";

/// The outcome of one request.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The stable name of the outcome.
    pub outcome: &'static str,
    /// The reason, for outcomes that have one.
    pub reason: Option<&'static str>,
    /// The rejection, if the layer of a route rejected the request.
    pub rejection: Option<&'a Rejection>,
    /// The address of the client, if it is known.
    pub peer: Option<&'a Peer>,
    /// The status of the response, if there was one.
    pub status: Option<StatusCode>,
    /// The time from the arrival of the head to the end of the request.
    pub latency: Duration,
    /// The verified delivery, if there is one. Without it, the sender is unknown.
    pub verified: Option<&'a Verified>,
    /// The time that it took to verify the body, if it was verified.
    pub verification_time: Option<Duration>,
    /// What an operator should change.
    pub hint: Option<&'static str>,
    /// Whether an expired secret of the source matches the signature.
    pub fits_expired_secret: bool,
    /// The request, if its signature was rejected and it may be kept.
    pub unverified: Option<Unverified<'a>>,
    /// The trace of the request, if it is traced.
    pub trace: Option<&'a Trace>,
}

/// Records the outcome of each request, once.
#[derive(Clone)]
pub struct Ledger {
    counts: Counts,
    log: Log,
    clock: Arc<dyn Clock>,
    recent: Option<Recent>,
    no_route: Arc<String>,
}

/// The ledger of one route.
#[derive(Clone)]
pub struct RouteLedger {
    ledger: Ledger,
    name: Arc<String>,
    metrics: RouteMetrics,
    sampler: Sampler,
}

impl<'a> Entry<'a> {
    /// A request that was rejected before it reached the layer of a route.
    pub fn rejected(reason: &'static str, status: StatusCode, peer: Option<&'a Peer>, latency: Duration) -> Self {
        Self {
            outcome: "refused",
            reason: Some(reason),
            rejection: None,
            peer,
            status: Some(status),
            latency,
            verified: None,
            verification_time: None,
            hint: None,
            fits_expired_secret: false,
            unverified: None,
            trace: None,
        }
    }

    /// A probe that was answered without a backend.
    pub fn probed(status: StatusCode, peer: Option<&'a Peer>, latency: Duration) -> Self {
        Self { outcome: "probed", reason: None, ..Self::rejected("", status, peer, latency) }
    }

    /// Whether it is a verified request with a 2xx response.
    fn is_success(&self) -> bool {
        self.verified.is_some() && self.status.is_some_and(|status| status.is_success())
    }

    /// A request that the layer of a route reports.
    pub fn reported(report: &'a Report, peer: Option<&'a Peer>) -> Self {
        let fits_expired_secret = match report.rejection() {
            Some(Rejection::Unverified(rejection)) => rejection.fits_expired_secret(),
            _ => false,
        };
        Self {
            outcome: report.outcome().as_str(),
            reason: reason_of(report),
            rejection: report.rejection(),
            peer,
            status: report.status(),
            latency: report.latency(),
            verified: report.verified(),
            verification_time: report.verification_time(),
            hint: None,
            fits_expired_secret,
            unverified: None,
            trace: None,
        }
    }

    /// The same, of a request with these headers, which may be kept to explain a rejected signature.
    #[must_use]
    pub fn with_headers(self, headers: Option<&'a HeaderMap>, report: &'a Report) -> Self {
        let is_unverified = matches!(report.rejection(), Some(Rejection::Unverified(_)));
        let unverified = headers.filter(|_| is_unverified).zip(report.source()).map(|(headers, source)| Unverified {
            source,
            headers,
            body: report.unverified_body(),
        });
        Self { unverified, ..self }
    }

    /// The same, of a request with this trace.
    #[must_use]
    pub fn traced(self, trace: Option<&'a Trace>) -> Self {
        Self { trace, ..self }
    }
}

fn reason_of(report: &Report) -> Option<&'static str> {
    match report.outcome() {
        Outcome::Rejected(rejection) => Some(rejection.code()),
        Outcome::Released => Some(report.failure().unwrap_or("upstream_failed")),
        _ => report.is_untyped().then_some(NO_TYPE),
    }
}

/// Ends the span of a request, if it is traced.
fn end_span(route: &str, entry: &Entry<'_>) {
    let Some(trace) = entry.trace else { return };
    let verification = entry.verification_time.and_then(|time| i64::try_from(time.as_micros()).ok());
    let attributes = [
        ("countersign.route", Some(Value::from(route))),
        ("countersign.outcome", Some(Value::from(entry.outcome))),
        ("countersign.reason", entry.reason.map(Value::from)),
        ("http.response.status_code", entry.status.map(|status| Value::from(status.as_u16()))),
        ("client.address", entry.peer.map(|peer| Value::Text(peer.to_string()))),
        ("countersign.source", entry.verified.map(|verified| Value::from(verified.source()))),
        ("countersign.message_id", entry.verified.map(|verified| Value::from(verified.message_id().as_str()))),
        ("countersign.verification_us", verification.map(Value::Number)),
    ];
    let attributes = attributes.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let is_error = entry.status.is_none_or(|status| status.is_server_error());
    trace.finish(route, entry.latency, is_error, attributes.collect());
}

impl Ledger {
    /// A ledger that counts in `counts`, writes lines to `log`, and keeps the last requests in `recent`. `clock` limits the
    /// rate of lines.
    pub fn new(counts: Counts, log: Log, recent: Option<Recent>, clock: Arc<dyn Clock>) -> Self {
        Self { counts, log, clock, recent, no_route: Arc::new("none".into()) }
    }

    /// The ledger of the route of this name. Of its successful requests, this share is logged.
    pub fn route(&self, name: String, logged: Share) -> RouteLedger {
        let name = Arc::new(name);
        let (metrics, sampler) = (self.counts.of_route(&name), Sampler::new(logged));
        RouteLedger { ledger: self.clone(), metrics, name, sampler }
    }

    /// Records the outcome of a request without a route. What it asked for is only read if it is shown.
    pub fn record(&self, entry: &Entry<'_>, unrouted: impl Fn() -> Unrouted) {
        self.count(&self.no_route, entry);
        end_span(&self.no_route, entry);
        self.keep(&self.no_route, entry, || Some(unrouted()));
        self.log(&self.no_route, entry, || Some(unrouted()));
    }

    /// Counts a request that was rejected, or a connection that was closed, before there was a request to respond to,
    /// with the address of the client.
    pub fn record_ending(&self, ending: Ending, peer: Address) {
        if ending == Ending::ClientConnections {
            self.counts.turned_away(TurnedAway::ClientConnections);
        } else if ending.is_rejection() {
            let peer = Peer::new(peer);
            let rejected = Entry::rejected(ending.code(), StatusCode::BAD_REQUEST, Some(&peer), Duration::ZERO);
            let entry = Entry { status: ending.status(), hint: ending.hint(), ..rejected };
            self.count(&self.no_route, &entry);
            self.keep(&self.no_route, &entry, || None);
            self.log(&self.no_route, &entry, || None);
        } else {
            self.counts.connection_closed(ending.code());
        }
    }

    fn count(&self, route: &Arc<String>, entry: &Entry<'_>) {
        self.counts.count(route, entry.outcome, entry.reason.unwrap_or_default());
    }

    fn keep(&self, route: &Arc<String>, entry: &Entry<'_>, unrouted: impl FnOnce() -> Option<Unrouted>) {
        if let Some(recent) = &self.recent {
            recent.keep(Seen {
                at: self.clock.now(),
                route: Arc::clone(route),
                outcome: entry.outcome,
                reason: entry.reason,
                explanation: entry.rejection.map(ToString::to_string).or(entry.hint.map(str::to_owned)),
                status: entry.status,
                latency: entry.latency,
                verification_time: entry.verification_time,
                fits_expired_secret: entry.fits_expired_secret,
                peer: entry.peer.cloned(),
                unrouted: unrouted(),
                message: entry.verified.map(|verified| recent.message(verified)),
                unverified: entry.unverified.map(|unverified| recent.unverified(&unverified)),
            });
        }
    }

    fn log(&self, route: &str, entry: &Entry<'_>, unrouted: impl FnOnce() -> Option<Unrouted>) {
        let Entry { outcome, reason, verified, .. } = *entry;
        // Anyone can send unverified requests, so the rate of their lines is limited.
        if verified.is_none() && !self.log.admits_unverified(reason.unwrap_or_default(), self.clock.instant()) {
            return;
        }
        let unrouted = unrouted();
        let unrouted = unrouted.as_ref();
        tracing::info!(
            route,
            outcome,
            reason,
            expired_secret = entry.fits_expired_secret.then_some(true),
            status = entry.status.map(|status| status.as_u16()),
            method = unrouted.map(|unrouted| unrouted.method.as_str()),
            host = unrouted.and_then(|unrouted| unrouted.host.as_deref()),
            path = unrouted.map(|unrouted| unrouted.path.as_str()),
            hint = unrouted.and_then(|unrouted| unrouted.hint.as_deref()).or(entry.hint),
            peer = entry.peer.map(tracing::field::display),
            message_id = verified.map(|verified| verified.message_id().as_str()),
            key = verified.map(Verified::key_label),
            body_bytes = verified.map(|verified| verified.body().len()),
            took_us = u64::try_from(entry.latency.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

impl RouteLedger {
    /// Records the outcome of a request of this route.
    pub fn record(&self, entry: &Entry<'_>) {
        // The most common case, whose counter is kept at hand.
        if (entry.outcome, entry.reason) == (Outcome::Confirmed.as_str(), None) {
            self.metrics.confirmed.inc();
        } else {
            self.ledger.count(&self.name, entry);
        }
        if let Some(time) = entry.verification_time {
            self.metrics.verification.observe(time.as_secs_f64());
        }
        if entry.fits_expired_secret {
            self.metrics.expired_secret.inc();
        }
        end_span(&self.name, entry);
        self.ledger.keep(&self.name, entry, || None);
        if !entry.is_success() || self.sampler.chooses() {
            self.ledger.log(&self.name, entry, || None);
        }
    }

    /// Whether requests are kept, so that rejected ones can be explained.
    pub fn keeps_requests(&self) -> bool {
        self.ledger.recent.is_some()
    }

    /// The metrics of the route.
    pub fn metrics(&self) -> &RouteMetrics {
        &self.metrics
    }
}
