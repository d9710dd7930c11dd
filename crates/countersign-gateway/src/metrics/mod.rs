//! The counters and histograms of the gateway, for Prometheus.

mod certificates;
mod counts;
mod format;
mod inbox;
mod key_sets;
mod process;
mod reconcile;
mod store;
mod upstreams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use certificates::CertificateExpiries;
use countersign::clock::UnixTime;
use countersign_inbox::worker::SharedInbox;
use countersign_tower::BodyBudget;
pub use counts::{Counts, InboxCounts, RouteMetrics, TurnedAway};
pub use format::Format;
use inbox::InboxGauges;
use key_sets::KeySets;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
pub use reconcile::ReconcileCounts;

use crate::inbox::{Destinations, overview};
use crate::log::Log;
use crate::serve::Slots;
use crate::source_keys::RemoteSet;
use crate::state::expiry::Expiry;
use crate::state::source::Source;
use crate::state::store::{Engine, SourceStore};
use crate::upstream::Upstreams;
use crate::version;
use store::StoreFigures;
use upstreams::UpstreamGauges;

/// All metrics of `/metrics`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    process: Registry,
    counts: Counts,
    claims_held: Family<SourceLabels, Gauge<i64, AtomicI64>>,
    ids_remembered: Family<SourceLabels, Gauge<i64, AtomicI64>>,
    store_capacity: Family<SourceLabels, Gauge<i64, AtomicI64>>,
    secrets_live: Family<SourceLabels, Gauge<i64, AtomicI64>>,
    secret_expiry: Family<SecretLabels, Gauge<i64, AtomicI64>>,
    sources: Vec<(SourceLabels, Arc<Source>)>,
    stores: Vec<(SourceLabels, SourceStore)>,
    body_bytes: Gauge<i64, AtomicI64>,
    body_budget: BodyBudget,
    connections_open: Gauge<i64, AtomicI64>,
    connections_max: Gauge<i64, AtomicI64>,
    connections: Arc<Slots>,
    inbox: Option<(SharedInbox, InboxGauges)>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SourceLabels {
    source: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SecretLabels {
    source: String,
    key: String,
}

impl Metrics {
    /// Creates metrics with gauges for the stores and key sets of these sources, for the memory of requests,
    /// and for the connections of the webhook listeners, and with these counters.
    pub fn new(
        sources: &BTreeMap<String, Arc<Source>>,
        body_budget: BodyBudget,
        connections: Arc<Slots>,
        counts: Counts,
    ) -> Self {
        let labels = |source: &String| SourceLabels { source: source.clone() };
        let stores = sources.iter().map(|(name, source)| (labels(name), source.store.clone())).collect();
        let sets = sources.iter().filter_map(|(name, source)| Some((labels(name), source.keys.remote_set()?.clone())));
        let mut metrics = Self {
            registry: Registry::with_prefix("countersign"),
            process: Registry::default(),
            counts,
            claims_held: Family::default(),
            ids_remembered: Family::default(),
            store_capacity: Family::default(),
            secrets_live: Family::default(),
            secret_expiry: Family::default(),
            sources: sources.iter().map(|(name, source)| (labels(name), Arc::clone(source))).collect(),
            stores,
            body_bytes: Gauge::default(),
            body_budget,
            connections_open: Gauge::default(),
            connections_max: Gauge::default(),
            connections,
            inbox: None,
        };
        metrics.register(sets.collect());
        metrics
    }

    fn register(&mut self, sets: Vec<(SourceLabels, RemoteSet)>) {
        // Their names are those of all programs, without a prefix.
        self.process.register_collector(Box::new(self.counts.process));
        let registry = &mut self.registry;
        let help = "The version of the gateway, and the commit that it is built from";
        registry.register("build", help, Info::new(version::labels()));
        registry.register("requests", "Requests, by what became of them and why", self.counts.requests.clone());
        registry.register_with_unit(
            "verification",
            "The time that it took to verify a body",
            Unit::Seconds,
            self.counts.verification.clone(),
        );
        registry.register_with_unit(
            "upstream",
            "The time until the head of the upstream's answer",
            Unit::Seconds,
            self.counts.upstream.clone(),
        );
        registry.register(
            "expired_secret_matches",
            "Deliveries rejected as signature_mismatch whose signature fits a secret that has expired",
            self.counts.expired_secret.clone(),
        );
        let in_flight = "Requests of the route that are at its backends, until the end of the response";
        registry.register("in_flight", in_flight, self.counts.in_flight.clone());
        let help = "Verified messages of routes with an inbox, by whether they were stored";
        registry.register("inbox_messages", help, self.counts.inbox_messages.clone());
        let help = "Attempts to deliver messages of the inbox, by what follows from them";
        registry.register("inbox_attempts", help, self.counts.inbox_attempts.clone());
        self.counts.reconcile.register(registry);
        let help = "Requests to the upstream, by the status of the response or the kind of the failure";
        registry.register("upstream_requests", help, self.counts.upstreams.family());
        registry.register("claims_held", "Deliveries that are being handled", self.claims_held.clone());
        registry.register("ids_remembered", "Ids that take up room in the replay store", self.ids_remembered.clone());
        registry.register("store_capacity", "Ids that the replay store has room for", self.store_capacity.clone());
        let live = "Secrets of the source that have not expired; its public keys are not counted";
        registry.register("secrets_live", live, self.secrets_live.clone());
        let expiry = "When a secret expires, in seconds since 1970; a secret that never does is not here";
        registry.register("secret_expiry_timestamp_seconds", expiry, self.secret_expiry.clone());
        registry.register("body_bytes", "Bytes of request heads and bodies held in memory", self.body_bytes.clone());
        registry.register("connections_open", "Open connections from senders", self.connections_open.clone());
        registry.register("connections_max", "Connections from senders that may be open", self.connections_max.clone());
        registry.register(
            "connections_turned_away",
            "Connections that were closed at once, or could not be accepted, by reason",
            self.counts.connections_turned_away.clone(),
        );
        registry.register(
            "connections_closed",
            "Connections and HTTP/2 streams closed because the client made no progress, by reason",
            self.counts.connections_closed.clone(),
        );
        registry.register(
            "accelerated",
            "Requests of webhook listeners that were served without hyper",
            self.counts.accelerated.clone(),
        );
        let help = "Spans of traces that did not reach the collector";
        registry.register("spans_dropped", help, self.counts.spans_dropped.clone());
        registry.register("config_reloads", "Reloads of the configuration, by result", self.counts.reloads.clone());
        registry.register(
            "config_last_reload_successful",
            "Whether the last reload succeeded; 1 before the first one",
            self.counts.last_reload_successful.clone(),
        );
        if !sets.is_empty() {
            registry.register_collector(Box::new(KeySets(sets)));
        }
    }

    /// Adds the numbers of addresses of these upstreams, and of those that are not used.
    pub fn show_upstreams(&mut self, upstreams: Vec<Arc<Upstreams>>) {
        self.registry.register_collector(Box::new(UpstreamGauges(upstreams)));
    }

    /// Adds when these certificates expire.
    pub fn show_certificates(&mut self, expiries: Vec<Expiry>) {
        self.registry.register_collector(Box::new(CertificateExpiries(expiries)));
    }

    /// Adds the figures of a store that all sources share.
    pub fn show_store(&mut self, engine: &Engine) {
        if engine.figures().is_some() {
            self.registry.register_collector(Box::new(StoreFigures(engine.clone())));
        }
    }

    /// Adds the destinations of this inbox.
    pub fn show_inbox(&mut self, inbox: SharedInbox) {
        let gauges = InboxGauges::default();
        self.registry.register_collector(Box::new(gauges.clone()));
        self.inbox = Some((inbox, gauges));
    }

    /// Reads the state of the inbox with these destinations. If it cannot be read, it is not shown.
    pub async fn refresh(&self, configured: &Destinations, now: UnixTime) {
        if let Some((inbox, gauges)) = &self.inbox {
            gauges.set(overview(inbox, configured).await.unwrap_or_default(), now);
        }
    }

    /// Adds the numbers of dropped and suppressed lines of this log.
    pub fn show_log(&mut self, log: &Log) {
        let dropped = "Log lines that were dropped: standard output was not read, or could not be written";
        self.registry.register("log_lines_dropped", dropped, log.dropped());
        let suppressed = "Rejected, unverified requests that got no log line of their own: there were too many";
        self.registry.register("log_lines_suppressed", suppressed, log.suppressed());
    }

    /// The counters and histograms, which survive a reload.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns all metrics in this format. Secrets count as live if they have not expired at the time `now`.
    pub fn to_text(&self, now: UnixTime, format: Format) -> Result<String, std::fmt::Error> {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.body_bytes.set(gauge(self.body_budget.in_use()));
        for (labels, source) in self.sources.iter().filter(|(_, source)| !source.secrets.is_empty()) {
            self.secrets_live.get_or_create(labels).set(gauge(source.live_secrets(now)));
            for (key, expires_at) in &source.secrets {
                if let Some(at) = expires_at {
                    let labels = SecretLabels { source: labels.source.clone(), key: key.clone() };
                    self.secret_expiry.get_or_create(&labels).set(i64::try_from(at.as_secs()).unwrap_or(i64::MAX));
                }
            }
        }
        self.connections_open.set(gauge(self.connections.open()));
        self.connections_max.set(gauge(self.connections.max()));
        for (labels, store) in &self.stores {
            if let Some(claims) = store.in_flight() {
                self.claims_held.get_or_create(labels).set(gauge(claims));
            }
            if let (Some(ids), Some(capacity)) = (store.ids(), store.capacity()) {
                self.ids_remembered.get_or_create(labels).set(gauge(ids));
                self.store_capacity.get_or_create(labels).set(gauge(capacity));
            }
        }
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.process)?;
        encode_eof(&mut text)?;
        Ok(format.of(text))
    }
}
