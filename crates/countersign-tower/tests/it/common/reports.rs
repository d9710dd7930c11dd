use std::sync::{Arc, Mutex, PoisonError};

use countersign::replay::ReplayStore;
use countersign_tower::{Report, VerifyLayer};

use super::{Setup, TestLayer, setup, soon};

/// The reports of a layer.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Mutex<Vec<Report>>>);

impl Reports {
    pub(crate) fn all(&self) -> Vec<Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn last(&self) -> Report {
        self.all().pop().expect("a report")
    }

    /// The names of the outcomes.
    pub(crate) fn so_far(&self) -> Vec<&'static str> {
        self.all().iter().map(|report| report.outcome().as_str()).collect()
    }

    /// Waits for this many reports, and compares their outcomes.
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

/// The layer, and its reports.
pub(crate) fn reporting<K, St: ReplayStore>(layer: VerifyLayer<K, St>) -> (VerifyLayer<K, St>, Reports) {
    let reports = Reports::default();
    let told = reports.clone();
    let layer = layer.on_report(move |report| {
        told.0.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
    });
    (layer, reports)
}

/// A layer, its store and clock, and its reports.
pub(crate) fn reported() -> (Setup, TestLayer, Reports) {
    let setup = setup();
    let (layer, reports) = reporting(setup.layer.clone());
    (setup, layer, reports)
}
