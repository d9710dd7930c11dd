//! Metrics of key sets, read when Prometheus scrapes them.

use std::fmt;

use countersign_jwks::Stats;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::SourceLabels;
use crate::source_keys::RemoteSet;

/// The key set of each source that has one. Sources that share a key set have the same values.
#[derive(Debug)]
pub(super) struct KeySets(pub(super) Vec<(SourceLabels, RemoteSet)>);

impl Collector for KeySets {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let sets: Vec<_> = self.0.iter().map(|(labels, set)| (labels, set.stats())).collect();
        Self::ages(&sets, &mut encoder)?;
        Self::keys(&sets, &mut encoder)?;
        Self::fetches(&sets, &mut encoder)?;
        Self::failures(&sets, &mut encoder)
    }
}

type Figures<'s> = [(&'s SourceLabels, Stats)];

impl KeySets {
    /// A key set that was never fetched has no age.
    fn ages(sets: &Figures<'_>, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let help = "The time since the source's key set was last fetched";
        let mut metric = encoder.encode_descriptor("key_set_age", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (labels, stats) in sets {
            if let Some(age) = stats.age {
                ConstGauge::new(age.as_secs_f64()).encode(metric.encode_family(*labels)?)?;
            }
        }
        Ok(())
    }

    fn keys(sets: &Figures<'_>, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let help = "Usable keys in the source's key set";
        let mut metric = encoder.encode_descriptor("key_set_keys", help, None, MetricType::Gauge)?;
        for (labels, stats) in sets {
            let keys = i64::try_from(stats.keys).unwrap_or(i64::MAX);
            ConstGauge::new(keys).encode(metric.encode_family(*labels)?)?;
        }
        Ok(())
    }

    fn fetches(sets: &Figures<'_>, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let help = "Fetches of the source's key set that were begun";
        let mut metric = encoder.encode_descriptor("key_fetches", help, None, MetricType::Counter)?;
        for (labels, stats) in sets {
            ConstCounter::new(stats.fetches).encode(metric.encode_family(*labels)?)?;
        }
        Ok(())
    }

    fn failures(sets: &Figures<'_>, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let help = "Fetches of the source's key set that failed, by why";
        let mut metric = encoder.encode_descriptor("key_fetch_failures", help, None, MetricType::Counter)?;
        for (labels, stats) in sets {
            for (reason, count) in &stats.failures {
                // The number of reasons is fixed.
                let labels = [("source", labels.source.as_str()), ("reason", *reason)];
                ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
