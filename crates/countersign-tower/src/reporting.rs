use std::sync::Arc;
use std::time::Duration;

use countersign::{ReplayStore, Verified};
use http::StatusCode;

use crate::policy::Policy;
use crate::report::{Outcome, Report};
use crate::sources::Sources;
use crate::trace::RequestSpan;

/// What is known of a request, to be reported once: at its end, or when it is dropped before.
pub(crate) struct Reporting<K: Sources, St: ReplayStore> {
    pub(crate) policy: Arc<Policy<K, St>>,
    pub(crate) verified: Option<Verified>,
    pub(crate) verification_time: Option<Duration>,
    pub(crate) is_untyped: bool,
    span: RequestSpan,
    is_due: bool,
    was_deferred: bool,
}

impl<K: Sources, St: ReplayStore> Reporting<K, St> {
    pub(crate) fn new(policy: Arc<Policy<K, St>>, span: RequestSpan) -> Self {
        Self {
            policy,
            verified: None,
            verification_time: None,
            is_untyped: false,
            span,
            is_due: true,
            was_deferred: false,
        }
    }

    /// Notes the status that the sender gets.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.span.answered(status);
    }

    /// Says what became of the request.
    pub(crate) fn give(&mut self, outcome: Outcome) -> Report {
        let (verified, verification_time) = (self.verified.take(), self.verification_time);
        let (is_untyped, was_deferred) = (self.is_untyped, self.was_deferred);
        let report = Report { outcome, verified, verification_time, is_untyped, was_deferred };
        if std::mem::take(&mut self.is_due) {
            self.span.record(&report);
            if let Some(hook) = &self.policy.on_report {
                hook(&report);
            }
        }
        report
    }

    /// Leaves it to another to say what became of it.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
            verified: self.verified.clone(),
            verification_time: self.verification_time,
            is_untyped: self.is_untyped,
            span: self.span.clone(),
            is_due: std::mem::take(&mut self.is_due),
            was_deferred: true,
        }
    }
}

impl<K: Sources, St: ReplayStore> Drop for Reporting<K, St> {
    fn drop(&mut self) {
        if self.is_due {
            self.give(Outcome::Abandoned);
        }
    }
}
