//! The state of a request, and the transitions between its stages.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::clock::ClockReading;
use countersign::key_source::{KeySource, Refreshed};
use countersign::replay::ReplayStore;
use countersign::replay::{Claim, Settled, StoreError};
use countersign::verify::Attempt;
use countersign::{Verified, Verifier};
use http::{Request, Response, request};
use http_body::Body;
use tower_service::Service;

use crate::body::{BodyError, DeliveryBody, ResponseBody};
use crate::detach::Deferred;
use crate::filter::{Choice, choose};
use crate::grpc::Protocol;
use crate::policy::{Observed, OnDuplicate, OnRejection, OnStoreFailure, Policy, Unclaimed, Untyped};
use crate::read::budget::Reservation;
use crate::read::buffer::{Buffer, Buffered};
use crate::reject::rejection::Rejection;
use crate::reject::response;
use crate::report::recorder::Reporting;
use crate::report::trace::RequestSpan;
use crate::report::{Outcome, UnverifiedBody};
use crate::settle::body::{Settlement, SettlingBody};
use crate::settle::claim::{ClaimGuard, StoreCall};
use crate::settle::conclusion::{Conclusion, Ending, conclude, recorded, unconfirmed};
use crate::sources::Sources;
use crate::verify::stage::{Rejected, Stage, Step};

pub(crate) struct Delivery<S, K: Sources, St: ReplayStore> {
    /// The service and the head of the request. `None` once the service is called.
    request: Option<(S, request::Parts)>,
    /// The body for the service. Empty until it is read or passed on.
    body: DeliveryBody,
    protocol: Protocol,
    /// The only reading of the wall clock. Later times add the monotonic time since then.
    arrived: ClockReading,
    /// The keys of the source. `None` if the request has no known source.
    keys: Option<K::Keys>,
    /// The verifier with the current keys of the source.
    verifier: Option<Verifier>,
    /// The verifier that failed, once the keys were refreshed. They are refreshed at most once.
    tried: Option<Verifier>,
    verified: Option<Verified>,
    /// The outcome that enforcement would have had, if the request reaches the service anyway.
    stopped: Option<Outcome>,
    /// Why the request reaches the service without a claim.
    unclaimed: Option<Unclaimed>,
    reservation: Option<Reservation>,
    reporting: Reporting<K, St>,
}

impl<S, K, St, ResBody> Delivery<S, K, St>
where
    S: Service<Request<DeliveryBody>, Response = Response<ResBody>>,
    K: Sources,
    St: ReplayStore,
    ResBody: Body,
{
    pub(crate) fn new(service: S, head: request::Parts, policy: Arc<Policy<K, St>>, span: RequestSpan) -> Self {
        let arrived = policy.clock.read();
        let keys = policy.keys.keys_for(&head);
        let verifier = keys.as_ref().map(KeySource::verifier);
        Self {
            protocol: Protocol::of(&head, policy.settings.grpc),
            arrived,
            reporting: Reporting::new(policy, span, &head, arrived.monotonic, verifier.as_ref()),
            keys,
            verifier,
            request: Some((service, head)),
            body: DeliveryBody::default(),
            tried: None,
            verified: None,
            stopped: None,
            unclaimed: None,
            reservation: None,
        }
    }

    pub(crate) fn begin<B>(&mut self, body: B) -> Stage<S::Future, B, ResBody, K, St>
    where
        B: Body<Error: Into<BodyError>> + Send + 'static,
    {
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

    pub(crate) fn verify<B>(&mut self, attempt: Option<Attempt>, body: Buffered) -> Stage<S::Future, B, ResBody, K, St>
    where
        B: Body<Error: Into<BodyError>> + Send + 'static,
    {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let attempt = attempt.expect("a request is verified once");
        let Buffered { bytes, trailers, reservation } = body;
        self.reservation = reservation;
        self.body = DeliveryBody::whole(bytes.clone(), trailers);
        self.finish(attempt, bytes)
    }

    /// Stops a request whose body could not be read. `body` is its part for the service, if that receives it.
    pub(crate) fn unread<B: Body>(
        &mut self,
        rejection: Rejection,
        body: DeliveryBody,
    ) -> Stage<S::Future, B, ResBody, K, St> {
        self.body = body;
        Stage::stopped(rejection)
    }

    fn finish<B>(&mut self, attempt: Attempt, body: Bytes) -> Stage<S::Future, B, ResBody, K, St>
    where
        B: Body<Error: Into<BodyError>> + Send + 'static,
    {
        let policy = Arc::clone(&self.reporting.policy);
        let settings = &policy.settings;
        let started = policy.clock.instant();
        let verdict = attempt.finish(body.clone());
        let finished = policy.clock.instant();
        self.reporting.note(|facts| facts.verification_time = Some(finished.saturating_duration_since(started)));
        let verified = match verdict {
            Ok(verified) => self.verified.insert(verified),
            Err(rejection) => {
                self.reporting.note(|facts| facts.unverified_body = Some(UnverifiedBody(body.clone())));
                return self.rejected(Rejected::Body { rejection: rejection.into(), body });
            }
        };
        self.reporting.note(|facts| {
            facts.verified = Some(verified.clone());
            facts.unverified_body = None;
        });
        if let (Some(events), Some((_, head))) = (&settings.events, &self.request) {
            match choose(events, verified, &head.headers) {
                Choice::Wanted => {}
                Choice::Unwanted => return Stage::stopped(Outcome::Filtered),
                Choice::Untyped => {
                    self.reporting.note(|facts| facts.is_untyped = true);
                    if settings.untyped == Untyped::Reject {
                        return Stage::stopped(Rejection::NoType);
                    }
                }
            }
        }
        let claiming = policy.store.claim(verified.replay_key(), settings.lease, self.arrived.at(finished));
        Stage::Claiming { claiming: StoreCall::new(policy, claiming) }
    }

    /// Rejects the request, or refreshes the keys first if newer ones could change the result.
    fn rejected<B>(&mut self, rejected: Rejected<B>) -> Stage<S::Future, B, ResBody, K, St>
    where
        B: Body<Error: Into<BodyError>> + Send + 'static,
    {
        match (&self.keys, &self.verifier) {
            (Some(keys), Some(verifier)) if rejected.rejection().wants_public_key() && self.tried.is_none() => {
                Stage::Refreshing { refreshing: keys.refresh(verifier), rejected: Some(rejected) }
            }
            _ => self.stopped_with(rejected.rejection(), rejected),
        }
    }

    /// Rejects the request, and keeps its unread body if the service receives rejected requests.
    fn stopped_with<B>(&mut self, rejection: Rejection, rejected: Rejected<B>) -> Stage<S::Future, B, ResBody, K, St>
    where
        B: Body<Error: Into<BodyError>> + Send + 'static,
    {
        if let Rejected::Head { body, .. } = rejected
            && self.hands_over()
        {
            self.body = DeliveryBody::unread(Bytes::new(), body);
        }
        Stage::stopped(rejection)
    }

    fn hands_over(&self) -> bool {
        self.reporting.policy.settings.on_rejection == OnRejection::DangerHandOver
    }

    pub(crate) fn try_again<B>(
        &mut self,
        refreshed: Refreshed,
        rejected: Option<Rejected<B>>,
    ) -> Stage<S::Future, B, ResBody, K, St>
    where
        B: Body<Error: Into<BodyError>> + Send + 'static,
    {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let rejected = rejected.expect("a request is tried again once");
        match (refreshed, rejected) {
            (Refreshed::Newer(verifier), rejected) => {
                self.tried = self.verifier.replace(verifier);
                match rejected {
                    Rejected::Head { body, .. } => self.begin(body),
                    Rejected::Body { rejection, body } => match self.check_head() {
                        // Trying the newer keys after the old ones would cost more than the limit. The sender's next
                        // attempt is verified with the newer keys from the start.
                        Ok(attempt) if attempt.check_body_len(body.len()).is_some() => Stage::stopped(rejection),
                        Ok(attempt) => self.finish(attempt, body),
                        Err(rejection) => Stage::stopped(rejection),
                    },
                }
            }
            (Refreshed::Unchanged, rejected) => self.stopped_with(rejected.rejection(), rejected),
            (Refreshed::Unavailable, rejected) => self.stopped_with(Rejection::KeysUnavailable, rejected),
        }
    }

    pub(crate) fn claimed<B: Body>(
        &mut self,
        claim: Result<(Arc<Policy<K, St>>, Claim), StoreError>,
    ) -> Stage<S::Future, B, ResBody, K, St> {
        let settings = &self.reporting.policy.settings;
        let claim = match claim {
            // From here on, dropping this future releases the claim.
            Ok((policy, Claim::Fresh(token))) => Some(ClaimGuard::new(policy, token)),
            Ok((_, Claim::InFlight)) => return Stage::stopped(Rejection::InFlight),
            Ok((_, Claim::Done)) if settings.on_duplicate == OnDuplicate::HandOver => {
                self.unclaimed = Some(Unclaimed::Duplicate);
                None
            }
            Ok((_, Claim::Done)) => return Stage::stopped(Outcome::Duplicate),
            Err(error) if settings.on_store_failure == OnStoreFailure::DangerHandOver => {
                self.unclaimed = Some(Unclaimed::StoreUnavailable(error.kind()));
                None
            }
            Err(error) => return Stage::stopped(Rejection::from(error)),
        };
        Stage::Readying { claim }
    }

    /// Responds to a request that must not reach the service, or passes it on with the reason.
    pub(crate) fn stop<B: Body>(&mut self, outcome: Option<Outcome>) -> Step<S::Future, B, ResBody, K, St> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let outcome = outcome.expect("a request is stopped once");
        if self.hands_over() {
            self.reporting.note(|facts| facts.stopped = Some(outcome.clone()));
            self.stopped = Some(outcome);
            return Step::To(Stage::Readying { claim: None });
        }
        match outcome {
            Outcome::Rejected(rejection) => self.reject(rejection),
            outcome => self.acknowledge(outcome),
        }
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        #[expect(clippy::expect_used, reason = "it is there until the only call of the service, which is in `handle`")]
        self.request.as_mut().expect("a service is polled before it is called").0.poll_ready(cx)
    }

    pub(crate) fn handle<B: Body>(&mut self, claim: Option<ClaimGuard<K, St>>) -> Stage<S::Future, B, ResBody, K, St> {
        #[expect(clippy::expect_used, reason = "both are there until the only call of the service, which is here")]
        let (mut service, mut head) = self.request.take().expect("a request is handled once");
        if let Some(verified) = self.verified.take() {
            head.extensions.insert(verified);
        }
        if let Some(unclaimed) = self.unclaimed {
            head.extensions.insert(unclaimed);
        }
        if self.hands_over() {
            head.extensions.insert(self.stopped.clone().map_or(Observed::Passed, Observed::Stopped));
        }
        let body = std::mem::take(&mut self.body);
        Stage::Handling { handling: service.call(Request::from_parts(head, body)), claim }
    }

    /// Releases the claim and returns the error of the service.
    pub(crate) fn failed(&mut self, claim: Option<ClaimGuard<K, St>>, error: S::Error) -> S::Error {
        drop(claim);
        self.reservation = None;
        let outcome = self.stopped.take().unwrap_or_else(|| unconfirmed(self.unclaimed, false));
        self.reporting.give(outcome);
        error
    }

    pub(crate) fn settle<B: Body>(
        &mut self,
        claim: Option<ClaimGuard<K, St>>,
        response: Response<ResBody>,
    ) -> Step<S::Future, B, ResBody, K, St> {
        if let Some(outcome) = self.stopped.take() {
            return self.respond(response.map(ResponseBody::inner), outcome);
        }
        match conclude(&response, self.protocol, self.reporting.policy.settings.confirm_at) {
            Conclusion::Handled => match claim.and_then(|claim| claim.confirm(self.now())) {
                Some(confirming) => Step::To(Stage::Confirming { response: Some(response), confirming }),
                None => self.respond(response.map(ResponseBody::inner), unconfirmed(self.unclaimed, true)),
            },
            Conclusion::Failed => {
                drop(claim);
                self.respond(response.map(ResponseBody::inner), unconfirmed(self.unclaimed, false))
            }
            Conclusion::Open(ending) => self.defer(claim, response, ending),
        }
    }

    fn now(&self) -> ClockReading {
        self.arrived.at(self.reporting.policy.clock.instant())
    }

    pub(crate) fn confirmed<B: Body>(
        &mut self,
        response: Option<Response<ResBody>>,
        settled: Result<Settled, StoreError>,
    ) -> Step<S::Future, B, ResBody, K, St> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let response = response.expect("a response is returned once");
        self.respond(response.map(ResponseBody::inner), recorded(settled.ok()))
    }

    /// Moves the claim into the response body, whose end settles the delivery.
    fn defer<B: Body>(
        &mut self,
        claim: Option<ClaimGuard<K, St>>,
        mut response: Response<ResBody>,
        ending: Ending,
    ) -> Step<S::Future, B, ResBody, K, St> {
        self.reporting.responded(&response);
        response.extensions_mut().insert(Deferred);
        let reporting = self.reporting.defer();
        let settlement = Settlement::new(claim, self.arrived, self.unclaimed, self.reservation.take(), reporting);
        let settling = |body| ResponseBody::settling(SettlingBody::new(body, ending, Box::new(settlement)));
        Step::Respond(response.map(settling))
    }

    /// Responds with success without calling the service.
    fn acknowledge<B: Body>(&mut self, outcome: Outcome) -> Step<S::Future, B, ResBody, K, St> {
        self.respond(response::acknowledgement(&outcome, self.protocol), outcome)
    }

    fn reject<B: Body>(&mut self, rejection: Rejection) -> Step<S::Future, B, ResBody, K, St> {
        let render = |rejection: &Rejection| (self.reporting.policy.render)(rejection);
        let mut response = response::rejection(&rejection, self.protocol, render);
        response.extensions_mut().insert(rejection);
        self.respond(response, Outcome::Rejected(rejection))
    }

    fn respond<B: Body>(
        &mut self,
        response: Response<ResponseBody<ResBody>>,
        outcome: Outcome,
    ) -> Step<S::Future, B, ResBody, K, St> {
        self.reservation = None;
        self.reporting.responded(&response);
        self.reporting.give(outcome);
        Step::Respond(response)
    }
}
