use std::sync::{Arc, Mutex, PoisonError};

use countersign::{ManualClock, MemoryStore, Verifier};
use countersign_tower::{OnReport, Report, VerifyLayer};

use super::{Setup, setup, soon};

/// The names of the outcomes that a layer reported.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Mutex<Vec<&'static str>>>);

impl Reports {
    pub(crate) fn so_far(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for as many as these, and compares.
    pub(crate) async fn are(&self, expected: &[&str]) {
        soon(async {
            while self.so_far().len() < expected.len() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(self.so_far(), expected);
    }
}

impl OnReport for Reports {
    fn on_report(&self, report: &Report) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(report.outcome().as_str());
    }
}

pub(crate) type Reported = VerifyLayer<Arc<MemoryStore>, Arc<ManualClock>, Verifier, Reports>;

/// A layer, what is inside it, and what it reports.
pub(crate) fn reported() -> (Setup, Reported, Reports) {
    let (setup, reports) = (setup(), Reports::default());
    let layer = setup.layer.clone().on_report(reports.clone());
    (setup, layer, reports)
}
