//! The counters and histograms, which survive a reload of the configuration.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::process::Process;
use super::reconcile::{ReconcileCounts, ReconcileFamilies};
use crate::upstream::UpstreamCounts;

/// The counters and histograms, which survive a reload of the configuration. Clones share them.
#[derive(Clone, Debug)]
pub struct Counts {
    pub(super) process: Process,
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) verification: Family<RouteLabels, Histogram, Buckets>,
    pub(super) upstream: Family<RouteLabels, Histogram, Buckets>,
    pub(super) expired_secret: Family<RouteLabels, Counter>,
    pub(super) in_flight: Family<RouteLabels, Gauge<i64, AtomicI64>>,
    pub(super) inbox_messages: Family<InboxLabels, Counter>,
    pub(super) inbox_attempts: Family<AttemptLabels, Counter>,
    pub(super) reconcile: ReconcileFamilies,
    pub(super) upstreams: UpstreamCounts,
    pub(super) connections_turned_away: Family<ReasonLabels, Counter>,
    pub(super) connections_closed: Family<ReasonLabels, Counter>,
    pub(super) accelerated: Counter,
    pub(super) spans_dropped: Counter,
    pub(super) reloads: Family<ResultLabels, Counter>,
    pub(super) last_reload_successful: Gauge<i64, AtomicI64>,
}

impl Default for Counts {
    fn default() -> Self {
        let (reloads, last_reload_successful) = (Family::<ResultLabels, Counter>::default(), Gauge::default());
        for result in ["success", "failure"] {
            // Both exist from the start, because a missing metric looks like zero.
            drop(reloads.get_or_create(&ResultLabels { result }));
        }
        // The configuration that the process started with was good.
        last_reload_successful.set(1);
        Self {
            process: Process::starting(),
            requests: Family::default(),
            verification: Family::new_with_constructor(Buckets { first: 1e-6, factor: 4.0, count: 10 }),
            upstream: Family::new_with_constructor(Buckets { first: 1e-3, factor: 2.0, count: 16 }),
            expired_secret: Family::default(),
            in_flight: Family::default(),
            inbox_messages: Family::default(),
            inbox_attempts: Family::default(),
            reconcile: ReconcileFamilies::default(),
            upstreams: UpstreamCounts::default(),
            connections_turned_away: Family::default(),
            connections_closed: Family::default(),
            accelerated: Counter::default(),
            spans_dropped: Counter::default(),
            reloads,
            last_reload_successful,
        }
    }
}

/// Why a connection was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// `max_connections` are open.
    MaxConnections,
    /// As many connections of the client as `client_limits` allows are open.
    ClientConnections,
    /// The process cannot open another file, so the connection waits in the kernel's queue.
    Files,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ResultLabels {
    result: &'static str,
}

/// The labels of a request. The number of routes, outcomes and reasons is fixed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RequestLabels {
    route: Arc<String>,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RouteLabels {
    route: Arc<String>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct InboxLabels {
    route: Arc<String>,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct AttemptLabels {
    route: Arc<String>,
    destination: String,
    result: &'static str,
}

/// The first bucket of a histogram, and the factor between buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    first: f64,
    factor: f64,
    count: u16,
}

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(self.first, self.factor, self.count))
    }
}

impl Counts {
    /// Returns the metrics that nearly every request of a route needs, so that they are looked up once.
    pub fn of_route(&self, route: &Arc<String>) -> RouteMetrics {
        let labels = RouteLabels { route: Arc::clone(route) };
        let confirmed = RequestLabels { route: Arc::clone(route), outcome: "confirmed", reason: "" };
        RouteMetrics {
            confirmed: self.requests.get_or_create_owned(&confirmed),
            verification: self.verification.get_or_create_owned(&labels),
            upstream: self.upstream.get_or_create_owned(&labels),
            expired_secret: self.expired_secret.get_or_create_owned(&labels),
            in_flight: self.in_flight.get_or_create_owned(&labels),
        }
    }

    /// The counters of the inbox of this route.
    pub fn of_inbox(&self, route: &str) -> InboxCounts {
        InboxCounts {
            route: Arc::new(route.to_owned()),
            messages: self.inbox_messages.clone(),
            attempts: self.inbox_attempts.clone(),
        }
    }

    /// The metrics of the missing jobs of this route.
    pub fn of_reconcile(&self, route: &str) -> ReconcileCounts {
        self.reconcile.of(route)
    }

    /// Counts a request.
    pub fn count(&self, route: &Arc<String>, outcome: &'static str, reason: &'static str) {
        self.requests.get_or_create(&RequestLabels { route: Arc::clone(route), outcome, reason }).inc();
    }

    /// The counters of upstreams.
    pub fn upstreams(&self) -> &UpstreamCounts {
        &self.upstreams
    }

    /// The number of requests that the accelerator served.
    pub fn accelerated(&self) -> Counter {
        self.accelerated.clone()
    }

    /// The number of spans that did not reach the collector.
    pub fn spans_dropped(&self) -> &Counter {
        &self.spans_dropped
    }

    /// Counts a connection that was not served.
    pub fn turned_away(&self, why: TurnedAway) {
        let reason = match why {
            TurnedAway::MaxConnections => "max_connections",
            TurnedAway::ClientConnections => "client_connections",
            TurnedAway::Files => "files",
        };
        self.connections_turned_away.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a connection or stream that was closed because it made no progress.
    pub fn connection_closed(&self, reason: &'static str) {
        self.connections_closed.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, is_successful: bool) {
        let result = if is_successful { "success" } else { "failure" };
        self.reloads.get_or_create(&ResultLabels { result }).inc();
        self.last_reload_successful.set(i64::from(is_successful));
    }
}

/// The metrics that nearly every request of a route needs.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    /// Deliveries that a backend confirmed.
    pub confirmed: Counter,
    /// The time that it took to verify a body, in seconds.
    pub verification: Histogram,
    /// The time until the head of the upstream's response, in seconds.
    pub upstream: Histogram,
    /// Deliveries that were signed with a secret that has expired.
    pub expired_secret: Counter,
    /// Requests that are at a backend.
    pub in_flight: Gauge<i64, AtomicI64>,
}

/// The counters of a route's inbox.
#[derive(Clone, Debug)]
pub struct InboxCounts {
    route: Arc<String>,
    messages: Family<InboxLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
}

impl InboxCounts {
    /// Counts a verified message. `result` is whether it was stored.
    pub fn enqueued(&self, result: &'static str) {
        self.messages.get_or_create(&InboxLabels { route: Arc::clone(&self.route), result }).inc();
    }

    /// Counts an attempt of a destination. `result` is what follows from it.
    pub fn attempted(&self, destination: &str, result: &'static str) {
        let (route, destination) = (Arc::clone(&self.route), destination.to_owned());
        self.attempts.get_or_create(&AttemptLabels { route, destination, result }).inc();
    }
}
