//! Metrics of the store that all sources share, read when Prometheus scrapes them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::state::store::{Engine, Figures};

/// A store that has [`Figures`].
#[derive(Debug)]
pub(super) struct StoreFigures(pub(super) Engine);

impl Collector for StoreFigures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(figures) = self.0.figures() else { return Ok(()) };
        counters(&figures, &mut encoder)?;
        gauges(&figures, &mut encoder)
    }
}

fn counters(figures: &Figures, encoder: &mut DescriptorEncoder) -> fmt::Result {
    for (name, help, count) in [
        ("store_batches", "Transactions of the store that were committed", figures.batches),
        ("store_operations", "Operations of the store in committed transactions", figures.operations),
        ("store_errors", "Transactions of the store that failed or found no room", figures.errors),
    ] {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(count).encode(metric)?;
    }
    let help = "The time of all transactions of the store";
    let metric = encoder.encode_descriptor("store_busy", help, Some(&Unit::Seconds), MetricType::Counter)?;
    ConstCounter::new(figures.busy.as_secs_f64()).encode(metric)
}

fn gauges(figures: &Figures, encoder: &mut DescriptorEncoder) -> fmt::Result {
    for (name, help, unit, value) in [
        ("store_queued", "Operations that wait for the store", None, Some(figures.queued)),
        ("store_messages", "Messages in the inbox of the store, waiting or kept", None, figures.messages),
        ("store_ids", "Ids of all sources in the store", None, figures.ids),
        ("store_size", "The size of the store that is in use", Some(&Unit::Bytes), figures.size),
        ("store_failing", "Whether the last transaction of the store failed", None, Some(figures.failing.into())),
        ("store_full", "Whether the disk, or the store by its limit, is full", None, figures.full.map(u64::from)),
    ] {
        if let Some(value) = value {
            let metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)?;
        }
    }
    Ok(())
}
