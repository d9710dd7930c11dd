use std::sync::{Arc, Mutex, PoisonError};

use super::{Setup, TestLayer, setup, soon};

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

/// A layer, what is inside it, and what it reports.
pub(crate) fn reported() -> (Setup, TestLayer, Reports) {
    let (setup, reports) = (setup(), Reports::default());
    let seen = Arc::clone(&reports.0);
    let layer = setup.layer.clone().on_report(move |report| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(report.outcome().as_str());
    });
    (setup, layer, reports)
}
