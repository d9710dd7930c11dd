//! Metrics of the store that all sources share, read when Prometheus scrapes them.

use std::fmt;

use countersign_sqlite::{SqliteStore, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// The SQLite file.
#[derive(Debug)]
pub(super) struct StoreFile(pub(super) SqliteStore);

impl Collector for StoreFile {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let stats = self.0.stats();
        counters(&stats, &mut encoder)?;
        gauges(&stats, &mut encoder)
    }
}

fn counters(stats: &Stats, encoder: &mut DescriptorEncoder) -> fmt::Result {
    for (name, help, count) in [
        ("store_batches", "Transactions of the store that were committed", stats.batches),
        ("store_operations", "Operations of the store in committed transactions", stats.operations),
        ("store_errors", "Transactions of the store that failed or found no room", stats.errors),
    ] {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(count).encode(metric)?;
    }
    let help = "The time of all transactions of the store";
    let metric = encoder.encode_descriptor("store_busy", help, Some(&Unit::Seconds), MetricType::Counter)?;
    ConstCounter::new(stats.busy.as_secs_f64()).encode(metric)
}

fn gauges(stats: &Stats, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    for (name, help, unit, value) in [
        ("store_queued", "Operations that wait for the store", None, count(stats.queued)),
        ("store_messages", "Messages in the inbox of the store, waiting or kept", None, gauge(stats.messages)),
        ("store_ids", "Ids of all sources in the store", None, count(stats.ids)),
        ("store_size", "The size of the store that is in use", Some(&Unit::Bytes), gauge(stats.size)),
        ("store_failing", "Whether the last transaction of the store failed", None, i64::from(stats.failing)),
        ("store_full", "Whether the disk, or the store by its limit, is full", None, i64::from(stats.full)),
    ] {
        let metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)?;
    }
    Ok(())
}
