//! Replaces spans with nothing if the feature `tracing` is off.

use countersign::replay::StoreError;
use http::request;

use crate::report::Report;

#[derive(Clone)]
pub(crate) struct RequestSpan;

pub(crate) struct Entered;

impl RequestSpan {
    pub(crate) fn new(_: &request::Parts) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "a span has a self")]
    pub(crate) fn enter(&self) -> Entered {
        Entered
    }

    #[expect(clippy::unused_self, reason = "a span has a self")]
    pub(crate) fn record(&self, _: &Report) {}

    #[expect(clippy::unused_self, reason = "a span has a self")]
    pub(crate) fn is_disabled(&self) -> bool {
        true
    }
}

pub(crate) fn store_failed(_: &StoreError) {}
