//! A span for each request. Its fields have the names of OpenTelemetry's semantic conventions, if there are any.

use std::error::Error;

use countersign::replay::StoreError;
use http::request;
use tracing::field::Empty;
use tracing::{Span, info_span, warn};

use crate::report::Report;

#[derive(Clone)]
pub(crate) struct RequestSpan(Span);

impl RequestSpan {
    pub(crate) fn new(head: &request::Parts) -> Self {
        Self(info_span!(
            "webhook",
            http.request.method = head.method.as_str(),
            url.path = head.uri.path(),
            http.response.status_code = Empty,
            messaging.message.id = Empty,
            messaging.message.body.size = Empty,
            error.type = Empty,
            countersign.source = Empty,
            countersign.scheme = Empty,
            countersign.key = Empty,
            countersign.outcome = Empty,
        ))
    }

    pub(crate) fn enter(&self) -> tracing::span::Entered<'_> {
        self.0.enter()
    }

    pub(crate) fn record(&self, report: &Report) {
        if self.0.is_disabled() {
            return;
        }
        self.0.record("countersign.outcome", report.outcome().as_str());
        if let Some(status) = report.status() {
            self.0.record("http.response.status_code", status.as_u16());
        }
        if let Some(rejection) = report.rejection() {
            self.0.record("error.type", rejection.code());
        }
        if let Some(verified) = report.verified() {
            self.0.record("messaging.message.id", verified.message_id().as_str());
            self.0.record("messaging.message.body.size", verified.body().len());
            self.0.record("countersign.source", verified.source());
            self.0.record("countersign.scheme", verified.scheme().as_str());
            self.0.record("countersign.key", verified.key_label());
        }
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.0.is_disabled()
    }
}

/// Logs why the replay store failed. An error without a cause is not logged, because the report has its kind.
pub(crate) fn store_failed(error: &StoreError) {
    if let Some(cause) = error.source() {
        warn!(error = cause, "{error}");
    }
}
