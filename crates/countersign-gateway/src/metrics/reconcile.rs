//! The metrics of missing jobs.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of all routes.
#[derive(Clone, Debug, Default)]
pub(super) struct ReconcileFamilies {
    runs: Family<RunLabels, Counter>,
    missing: Family<Labels, Gauge<i64, AtomicI64>>,
    handed_over: Family<Labels, Counter>,
    disabled: Family<Labels, Gauge<i64, AtomicI64>>,
}

/// The metrics of the missing jobs of a route.
#[derive(Clone, Debug)]
pub struct ReconcileCounts {
    labels: Labels,
    families: ReconcileFamilies,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    route: Arc<String>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RunLabels {
    route: Arc<String>,
    result: &'static str,
}

impl ReconcileFamilies {
    pub(super) fn of(&self, route: &str) -> ReconcileCounts {
        ReconcileCounts { labels: Labels { route: Arc::new(route.to_owned()) }, families: self.clone() }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Looks for jobs without a webhook, by result";
        registry.register("reconcile_runs", help, self.runs.clone());
        let help = "Jobs that have ended without a webhook and were not handed over, at the last look";
        registry.register("reconcile_missing", help, self.missing.clone());
        let help = "Polled events that were handed over in place of a webhook";
        registry.register("reconcile_handed_over", help, self.handed_over.clone());
        let help = "Webhooks that the sender has disabled because deliveries failed, at the last look";
        registry.register("reconcile_disabled_webhooks", help, self.disabled.clone());
    }
}

impl ReconcileCounts {
    /// Counts a run with this result.
    pub fn ran(&self, result: &'static str) {
        let labels = RunLabels { route: Arc::clone(&self.labels.route), result };
        self.families.runs.get_or_create(&labels).inc();
    }

    /// Shows how many jobs are missing.
    pub fn missing(&self, number: usize) {
        self.families.missing.get_or_create(&self.labels).set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Shows how many webhooks are disabled.
    pub fn disabled(&self, number: usize) {
        self.families.disabled.get_or_create(&self.labels).set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Counts an event that was handed over.
    pub fn handed_over(&self) {
        self.families.handed_over.get_or_create(&self.labels).inc();
    }
}
