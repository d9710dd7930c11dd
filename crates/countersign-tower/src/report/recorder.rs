use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::replay::ReplayStore;
use countersign::{Verified, Verifier};
use http::uri::PathAndQuery;
use http::{Response, StatusCode, request};

use crate::policy::Policy;
use crate::report::hook::OpenReport;
use crate::report::trace::RequestSpan;
use crate::report::{FailureCode, Outcome, Report, UnverifiedBody};
use crate::sources::Sources;

/// Collects the report of a request, and reports once: at its end, or when it is dropped before.
pub(crate) struct Reporting<K: Sources, St: ReplayStore> {
    pub(crate) policy: Arc<Policy<K, St>>,
    /// `None` once the report was made, or if there is neither a hook nor a span.
    pub(crate) facts: Option<Facts>,
}

/// The content of the report.
pub(crate) struct Facts {
    hook: Option<OpenReport>,
    span: RequestSpan,
    arrived: Instant,
    path: Option<PathAndQuery>,
    pub(crate) verifier: Option<Verifier>,
    pub(crate) verified: Option<Verified>,
    pub(crate) verification_time: Option<Duration>,
    pub(crate) unverified_body: Option<UnverifiedBody>,
    pub(crate) is_untyped: bool,
    /// The outcome that enforcement would have had, if the request reaches the service anyway.
    pub(crate) stopped: Option<Outcome>,
    status: Option<StatusCode>,
    failure: Option<FailureCode>,
    was_deferred: bool,
}

impl<K: Sources, St: ReplayStore> Reporting<K, St> {
    pub(crate) fn new(
        policy: Arc<Policy<K, St>>,
        span: RequestSpan,
        head: &request::Parts,
        arrived: Instant,
        verifier: Option<&Verifier>,
    ) -> Self {
        let is_asked = policy.on_report.is_some() || !span.is_disabled();
        let facts = is_asked.then(|| Facts {
            hook: policy.on_report.as_ref().map(|hook| hook.open(head)),
            span,
            arrived,
            path: head.uri.path_and_query().cloned(),
            verifier: verifier.cloned(),
            verified: None,
            verification_time: None,
            unverified_body: None,
            is_untyped: false,
            stopped: None,
            status: None,
            failure: None,
            was_deferred: false,
        });
        Self { policy, facts }
    }

    /// Adds a fact, if there will be a report.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut Facts)) {
        if let Some(facts) = &mut self.facts {
            note(facts);
        }
    }

    /// Notes the response to the sender.
    pub(crate) fn responded<B>(&mut self, response: &Response<B>) {
        self.note(|facts| {
            facts.status = Some(response.status());
            facts.failure = response.extensions().get().copied();
        });
    }

    /// Reports the outcome of the request.
    pub(crate) fn give(&mut self, outcome: Outcome) {
        if let Some(facts) = self.facts.take() {
            facts.give(outcome, self.policy.clock.instant());
        }
    }

    /// Defers the report to the end of the response body.
    pub(crate) fn defer(&mut self) -> Self {
        let facts = self.facts.take().map(|facts| Facts { was_deferred: true, ..facts });
        Self { policy: Arc::clone(&self.policy), facts }
    }
}

impl<K: Sources, St: ReplayStore> Drop for Reporting<K, St> {
    fn drop(&mut self) {
        if let Some(mut facts) = self.facts.take() {
            let outcome = facts.stopped.take().unwrap_or(Outcome::Abandoned);
            facts.give(outcome, self.policy.clock.instant());
        }
    }
}

impl Facts {
    fn give(self, outcome: Outcome, now: Instant) {
        let Self { hook, span, arrived, path, verifier, verified, verification_time, .. } = self;
        let Self { unverified_body, is_untyped, status, failure, was_deferred, .. } = self;
        let latency = now.saturating_duration_since(arrived);
        let report = Report {
            outcome,
            status,
            latency,
            path,
            verifier,
            verified,
            verification_time,
            unverified_body,
            failure,
            is_untyped,
            was_deferred,
        };
        span.record(&report);
        if let Some(hook) = hook {
            hook.give(&report);
        }
    }
}
