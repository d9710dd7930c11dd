//! Metrics of upstreams, read when Prometheus scrapes them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::upstream::Upstreams;

/// The upstreams of all routes.
#[derive(Debug)]
pub(super) struct UpstreamGauges(pub(super) Vec<Arc<Upstreams>>);

impl Collector for UpstreamGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        // Routes may name the same upstream with different settings: the worst case is shown.
        let mut all = BTreeMap::<String, [usize; 3]>::new();
        for (name, census) in self.0.iter().flat_map(|upstreams| upstreams.census()) {
            let shown = all.entry(name).or_default();
            let counted = [census.addresses, census.ejected, census.unhealthy];
            shown.iter_mut().zip(counted).for_each(|(shown, counted)| *shown = counted.max(*shown));
        }
        for (position, (name, help)) in [
            ("upstream_addresses", "Addresses of the upstream"),
            ("upstream_ejected", "Addresses of the upstream that get no requests because they kept failing"),
            ("upstream_unhealthy", "Addresses of the upstream that failed their last health check"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (upstream, shown) in &all {
                let value = shown.get(position).and_then(|shown| i64::try_from(*shown).ok()).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(metric.encode_family(&[("upstream", upstream.as_str())])?)?;
            }
        }
        Ok(())
    }
}
