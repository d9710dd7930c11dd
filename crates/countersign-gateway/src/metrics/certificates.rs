//! When the certificates expire that the gateway presents.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::state::expiry::Expiry;

/// The certificates of all listeners and upstreams, each file once.
#[derive(Debug)]
pub(super) struct CertificateExpiries(pub(super) Vec<Expiry>);

impl Collector for CertificateExpiries {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let help = "When the first certificate of the file expires, in seconds since 1970";
        let name = "certificate_expiry_timestamp_seconds";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for Expiry { file, expires_at, .. } in &self.0 {
            let value = i64::try_from(expires_at.as_secs()).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(metric.encode_family(&[("certificate", file.as_str())])?)?;
        }
        Ok(())
    }
}
