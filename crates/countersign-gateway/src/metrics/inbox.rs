//! Metrics of the inbox, read from it before Prometheus gets them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use countersign::UnixTime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::inbox::Overview;

/// The destinations as they were found last, and when. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct InboxGauges(Arc<Mutex<(Vec<Overview>, UnixTime)>>);

impl InboxGauges {
    /// Shows these destinations from now on.
    pub(super) fn set(&self, destinations: Vec<Overview>, now: UnixTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (destinations, now);
    }
}

impl Collector for InboxGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let (destinations, now) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let help = "Deliveries of the destination that are not done, by state";
        let mut metric = encoder.encode_descriptor("inbox_deliveries", help, None, MetricType::Gauge)?;
        for Overview { backlog, .. } in &destinations {
            for (state, count) in [("waiting", backlog.waiting), ("leased", backlog.leased), ("dead", backlog.dead)] {
                let labels = [("destination", backlog.destination.as_str()), ("state", state)];
                ConstGauge::new(gauge(count)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "The age of the oldest delivery of the destination that waits or is being attempted";
        let mut metric = encoder.encode_descriptor("inbox_oldest", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for Overview { backlog, .. } in &destinations {
            let age = backlog.oldest.map_or(0, |oldest| now.as_secs().saturating_sub(oldest.as_secs()));
            ConstGauge::new(gauge(age))
                .encode(metric.encode_family(&[("destination", backlog.destination.as_str())])?)?;
        }
        for (name, help, is_set) in [
            (
                "inbox_failing",
                "Whether the destination keeps failing, so that one delivery at a time tries it",
                (|found| found.is_failing) as fn(&Overview) -> bool,
            ),
            ("inbox_paused", "Whether an operator has paused the destination", |found| found.is_paused),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for found in &destinations {
                let labels = [("destination", found.backlog.destination.as_str())];
                ConstGauge::new(i64::from(is_set(found))).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
