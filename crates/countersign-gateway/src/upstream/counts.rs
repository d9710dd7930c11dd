//! The counters of upstreams.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::result::UpstreamResult;

/// The requests to each upstream, by result. They survive a reload of the configuration. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct UpstreamCounts(Family<Labels, Counter>);

/// The labels of a result. The number of configured upstreams and of results is fixed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Labels {
    upstream: Arc<str>,
    result: &'static str,
}

/// The counters of one upstream, which are looked up once.
#[derive(Clone, Debug)]
pub(super) struct Counters([Counter; UpstreamResult::NAMES.len()]);

impl UpstreamCounts {
    /// The counters, for a registry.
    pub fn family(&self) -> Family<Labels, Counter> {
        self.0.clone()
    }

    /// The counters of the upstream with this configured name.
    pub(super) fn of(&self, name: &str) -> Counters {
        let upstream = Arc::<str>::from(name);
        Counters(
            UpstreamResult::NAMES
                .map(|result| self.0.get_or_create_owned(&Labels { upstream: Arc::clone(&upstream), result })),
        )
    }
}

impl Counters {
    pub(super) fn count(&self, result: UpstreamResult) {
        if let Some(counter) = self.0.get(result.position()) {
            counter.inc();
        }
    }
}
