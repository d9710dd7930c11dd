//! What a request carries from stage to stage, and where it goes from each.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::replay::{Claim, Settled, StoreError};
use countersign::{Attempt, ClockReading, Refreshed, ReplayStore, Verifier};
use http::{Request, Response, request};
use http_body::Body;
use tower_service::Service;

use crate::answer;
use crate::body::{ResponseBody, VerifiedBody};
use crate::budget::Reservation;
use crate::buffer::{Buffer, Buffered};
use crate::claim::{ClaimGuard, StoreCall};
use crate::filter::{Choice, choose};
use crate::future::{Rejected, Stage, Step};
use crate::grpc::Protocol;
use crate::held::{HeldBody, Settlement};
use crate::policy::{OnDuplicate, OnStoreFailure, Policy, Unclaimed, Untyped};
use crate::rejection::Rejection;
use crate::report::Outcome;
use crate::reporting::Reporting;
use crate::settle::{Conclusion, Ending, conclude, unconfirmed};
use crate::sources::Sources;
use crate::trace::RequestSpan;

pub(crate) struct Delivery<S, K: Sources, St: ReplayStore> {
    /// The service, and the head that it is to see; until it is called.
    request: Option<(S, request::Parts)>,
    protocol: Protocol,
    /// The only reading of the time of day. Later moments are this one and the monotonic time since.
    arrived: ClockReading,
    /// Of the source that was chosen, if one was.
    verifier: Option<Verifier>,
    /// Whose keys did not suffice, once there are newer ones: they are asked for once.
    tried: Option<Verifier>,
    /// Why the service is to have it without a claim.
    unclaimed: Option<Unclaimed>,
    reservation: Option<Reservation>,
    reporting: Reporting<K, St>,
}

impl<S, K, St, ResBody> Delivery<S, K, St>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    K: Sources,
    St: ReplayStore,
    ResBody: Body,
{
    pub(crate) fn new(service: S, head: request::Parts, policy: Arc<Policy<K, St>>, span: RequestSpan) -> Self {
        Self {
            protocol: Protocol::of(&head, policy.settings.grpc),
            arrived: policy.clock.read(),
            verifier: policy.keys.verifier_for(&head),
            request: Some((service, head)),
            tried: None,
            unclaimed: None,
            reservation: None,
            reporting: Reporting::new(policy, span),
        }
    }

    pub(crate) fn begin<B: Body>(&self, body: B) -> Stage<S::Future, B, ResBody, K, St> {
        let settings = &self.reporting.policy.settings;
        let unary = self.protocol.is_grpc() && !settings.buffers_grpc_streams;
        match self.check_head() {
            Ok(attempt) => {
                Stage::Reading { buffer: Buffer::new(body, settings, &attempt, unary), attempt: Some(attempt) }
            }
            Err(rejection) => self.rejected(Rejected::Head { rejection, body }),
        }
    }

    fn check_head(&self) -> Result<Attempt, Rejection> {
        let verifier = self.verifier.as_ref().ok_or(Rejection::UnknownSource)?;
        if let Some(rejection) = Rejection::of_retain(self.reporting.policy.store.retain(), verifier) {
            return Err(rejection);
        }
        let (headers, now) = (&self.head().headers, self.arrived.wall);
        Ok(match &self.tried {
            None => verifier.begin(headers, now)?,
            Some(tried) => verifier.begin_again(tried, headers, now)?,
        })
    }

    fn head(&self) -> &request::Parts {
        #[expect(clippy::expect_used, reason = "the head is there until the service is called")]
        let (_, head) = self.request.as_ref().expect("a request is judged before it is handled");
        head
    }

    pub(crate) fn verify<B>(
        &mut self,
        attempt: Option<Attempt>,
        body: Result<Buffered, Rejection>,
    ) -> Step<S::Future, B, ResBody, K, St> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let attempt = attempt.expect("a request is verified once");
        match body {
            Ok(Buffered { bytes, reservation }) => {
                self.reservation = reservation;
                self.finish(attempt, bytes)
            }
            Err(rejection) => Step::To(Stage::Rejected { rejection }),
        }
    }

    fn finish<B>(&mut self, attempt: Attempt, body: Bytes) -> Step<S::Future, B, ResBody, K, St> {
        let policy = &self.reporting.policy;
        let started = policy.clock.instant();
        let verdict = attempt.finish(body.clone());
        let finished = policy.clock.instant();
        self.reporting.verification_time = Some(finished.saturating_duration_since(started));
        let verified = match verdict {
            Ok(verified) => self.reporting.verified.insert(verified),
            Err(rejection) => {
                return Step::To(self.rejected(Rejected::Body { rejection: rejection.into(), body }));
            }
        };
        let settings = &policy.settings;
        if let (Some(events), Some((_, head))) = (&settings.events, &self.request) {
            match choose(events, verified, &head.headers) {
                Choice::Wanted => {}
                Choice::Unwanted => return self.acknowledge(Outcome::Filtered),
                Choice::Untyped => {
                    self.reporting.is_untyped = true;
                    if settings.untyped == Untyped::Reject {
                        return Step::To(Stage::Rejected { rejection: Rejection::NoType });
                    }
                }
            }
        }
        let claiming = policy.store.claim(verified.replay_key(), settings.lease, self.arrived.at(finished));
        Step::To(Stage::Claiming { claiming: StoreCall::new(Arc::clone(policy), claiming) })
    }

    /// Rejects, unless a key that is not known yet could make the difference.
    fn rejected<B>(&self, rejected: Rejected<B>) -> Stage<S::Future, B, ResBody, K, St> {
        let rejection = rejected.rejection();
        match &self.verifier {
            Some(verifier) if rejection.wants_public_key() && self.tried.is_none() => Stage::Refreshing {
                refreshing: self.reporting.policy.keys.refresh_for(self.head(), verifier),
                rejected: Some(rejected),
            },
            _ => Stage::Rejected { rejection },
        }
    }

    pub(crate) fn try_again<B: Body>(
        &mut self,
        refreshed: Refreshed,
        rejected: Option<Rejected<B>>,
    ) -> Step<S::Future, B, ResBody, K, St> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let rejected = rejected.expect("a request is tried again once");
        match (refreshed, rejected) {
            (Refreshed::Newer(verifier), rejected) => {
                self.tried = self.verifier.replace(verifier);
                match rejected {
                    Rejected::Head { body, .. } => Step::To(self.begin(body)),
                    Rejected::Body { rejection, body } => match self.check_head() {
                        // With the keys that were tried before it, this would cost more than it may. The sender's
                        // next attempt meets the newer keys first.
                        Ok(attempt) if attempt.check_body_len(body.len()).is_some() => {
                            Step::To(Stage::Rejected { rejection })
                        }
                        Ok(attempt) => self.finish(attempt, body),
                        Err(rejection) => Step::To(Stage::Rejected { rejection }),
                    },
                }
            }
            (Refreshed::Unchanged, rejected) => Step::To(Stage::Rejected { rejection: rejected.rejection() }),
            (Refreshed::Unavailable, _) => Step::To(Stage::Rejected { rejection: Rejection::KeysUnavailable }),
        }
    }

    pub(crate) fn claimed<B>(
        &mut self,
        claim: Result<(Arc<Policy<K, St>>, Claim), StoreError>,
    ) -> Step<S::Future, B, ResBody, K, St> {
        let settings = &self.reporting.policy.settings;
        let claim = match claim {
            // From here on whatever ends this future early gives the claim back.
            Ok((policy, Claim::Fresh(token))) => Some(ClaimGuard::new(policy, token)),
            Ok((_, Claim::InFlight)) => return Step::To(Stage::Rejected { rejection: Rejection::InFlight }),
            Ok((_, Claim::Done)) if settings.on_duplicate == OnDuplicate::HandOver => {
                self.unclaimed = Some(Unclaimed::Duplicate);
                None
            }
            Ok((_, Claim::Done)) => return self.acknowledge(Outcome::Duplicate),
            Err(error) if settings.on_store_failure == OnStoreFailure::DangerHandOver => {
                self.unclaimed = Some(Unclaimed::StoreUnavailable(error));
                None
            }
            Err(error) => return Step::To(Stage::Rejected { rejection: error.into() }),
        };
        Step::To(Stage::Readying { claim })
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        #[expect(clippy::expect_used, reason = "it is there until the only call of the service, which is in `handle`")]
        self.request.as_mut().expect("a service is asked before it is called").0.poll_ready(cx)
    }

    pub(crate) fn handle<B>(&mut self, claim: Option<ClaimGuard<K, St>>) -> Step<S::Future, B, ResBody, K, St> {
        #[expect(clippy::expect_used, reason = "both are there until the only call of the service, which is here")]
        let (mut service, mut head) = self.request.take().expect("a request is handled once");
        #[expect(clippy::expect_used, reason = "`finish` is the only way here")]
        let verified = self.reporting.verified.clone().expect("a delivery is handled after the verdict");
        let body = VerifiedBody::new(verified.body().clone());
        head.extensions.insert(verified);
        if let Some(unclaimed) = self.unclaimed {
            head.extensions.insert(unclaimed);
        }
        Step::To(Stage::Handling { handling: service.call(Request::from_parts(head, body)), claim })
    }

    /// The service gave no answer: its error is passed on.
    pub(crate) fn failed(&mut self, claim: Option<ClaimGuard<K, St>>, error: S::Error) -> S::Error {
        drop(claim);
        self.reservation = None;
        self.reporting.give(unconfirmed(self.unclaimed, false));
        error
    }

    pub(crate) fn settle<B>(
        &mut self,
        claim: Option<ClaimGuard<K, St>>,
        response: Response<ResBody>,
    ) -> Step<S::Future, B, ResBody, K, St> {
        match conclude(&response, self.protocol, self.reporting.policy.settings.confirm_at) {
            Conclusion::Handled => match claim.and_then(|claim| claim.confirm(self.now())) {
                Some(confirming) => Step::To(Stage::Confirming { response: Some(response), confirming }),
                None => self.answer(response.map(ResponseBody::inner), unconfirmed(self.unclaimed, true)),
            },
            Conclusion::Failed => {
                drop(claim);
                self.answer(response.map(ResponseBody::inner), unconfirmed(self.unclaimed, false))
            }
            Conclusion::Open(ending) => self.defer(claim, response, ending),
        }
    }

    fn now(&self) -> ClockReading {
        self.arrived.at(self.reporting.policy.clock.instant())
    }

    pub(crate) fn confirmed<B>(
        &mut self,
        response: Option<Response<ResBody>>,
        settled: Result<Settled, StoreError>,
    ) -> Step<S::Future, B, ResBody, K, St> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let response = response.expect("a response is answered once");
        let outcome = match settled {
            Ok(Settled::Recorded) => Outcome::Confirmed,
            Ok(Settled::Superseded) | Err(_) => Outcome::Unrecorded,
        };
        self.answer(response.map(ResponseBody::inner), outcome)
    }

    /// Leaves the claim with the body: its end settles the delivery.
    fn defer<B>(
        &mut self,
        claim: Option<ClaimGuard<K, St>>,
        response: Response<ResBody>,
        ending: Ending,
    ) -> Step<S::Future, B, ResBody, K, St> {
        let reporting = self.reporting.hand_over();
        let settlement = Settlement::new(claim, self.arrived, self.unclaimed, self.reservation.take(), reporting);
        let held = |body| ResponseBody::held(HeldBody::new(body, ending, Box::new(settlement)));
        self.answer(response.map(held), Outcome::Deferred)
    }

    /// A success that the service had no part in.
    fn acknowledge<B>(&mut self, outcome: Outcome) -> Step<S::Future, B, ResBody, K, St> {
        self.answer(answer::acknowledgement(&outcome, self.protocol), outcome)
    }

    pub(crate) fn reject<B>(&mut self, rejection: Rejection) -> Step<S::Future, B, ResBody, K, St> {
        let response =
            answer::rejection(&rejection, self.protocol, |rejection| (self.reporting.policy.render)(rejection));
        self.answer(response, Outcome::Rejected(rejection))
    }

    fn answer<B>(
        &mut self,
        mut response: Response<ResponseBody<ResBody>>,
        outcome: Outcome,
    ) -> Step<S::Future, B, ResBody, K, St> {
        self.reservation = None;
        self.reporting.answered(response.status());
        let report = self.reporting.give(outcome);
        if let Some(rejection) = report.rejection() {
            response.extensions_mut().insert(*rejection);
        }
        response.extensions_mut().insert(report);
        Step::Answer(response)
    }
}
