use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use countersign::replay::{Claim, Settled, StoreError};
use countersign::{Attempt, Clock, KeySource, Refreshed, Rejection, ReplayStore, UnixTime, Verified, Verifier};
use http::{HeaderValue, Request, Response, StatusCode, request};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::COUNTERSIGN_OUTCOME;
use crate::body::{ResponseBody, VerifiedBody};
use crate::buffer::Buffer;
use crate::claim::ClaimGuard;
use crate::layer::Policy;
use crate::refusal::Refusal;
use crate::report::{Outcome, Report};

pin_project! {
    /// The path of one request through [`Verify`](crate::Verify): read, verify, claim, handle, settle, answer.
    pub struct ResponseFuture<S, B, ResBody, St, C, K = Verifier>
    where
        S: Service<Request<VerifiedBody>>,
        St: ReplayStore,
        K: KeySource,
    {
        delivery: Delivery<S, St, C, K>,
        #[pin]
        stage: Stage<S::Future, B, ResBody, St, C, K>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, B, ResBody, St, C, K>
    where
        St: ReplayStore,
        K: KeySource,
    {
        Refused { refusal: Refusal },
        Reading { attempt: Option<Attempt>, #[pin] buffer: Buffer<B> },
        Refreshing { #[pin] refreshing: K::Refreshing, rejected: Option<Rejected<B>> },
        Claiming { #[pin] claiming: St::Claiming },
        Readying { claim: Option<ClaimGuard<St, C, K>> },
        // In this order: the claim is held until nothing is left of the service's future.
        Handling { #[pin] handling: F, claim: Option<ClaimGuard<St, C, K>> },
        Confirming { response: Option<Response<ResBody>>, #[pin] confirming: St::Confirming },
    }
}

/// A delivery that newer keys could mend, and where it goes on with them.
enum Rejected<B> {
    Head { rejection: Rejection, body: B },
    Body { rejection: Rejection, body: Bytes },
}

impl<B> Rejected<B> {
    fn rejection(&self) -> Rejection {
        match self {
            Self::Head { rejection, .. } | Self::Body { rejection, .. } => *rejection,
        }
    }
}

/// Where a request goes from a stage.
#[expect(clippy::large_enum_variant, reason = "it is matched at once, and a box would be an allocation per stage")]
enum Step<F, B, ResBody, St: ReplayStore, C, K: KeySource> {
    To(Stage<F, B, ResBody, St, C, K>),
    Answer(Response<ResponseBody<ResBody>>),
}

impl<S, B, ResBody, St, C, K> ResponseFuture<S, B, ResBody, St, C, K>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    B: Body,
    St: ReplayStore,
    C: Clock,
    K: KeySource,
{
    pub(crate) fn new(service: S, policy: Arc<Policy<St, C, K>>, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let (arrived, verifier) = (policy.clock.now(), policy.keys.verifier());
        let request = Some((service, head));
        let delivery =
            Delivery { request, policy, arrived, verifier, refreshed: false, verified: None, verification_time: None };
        let stage = delivery.begin(body);
        Self { delivery, stage }
    }
}

impl<S, B, ResBody, St, C, K> Future for ResponseFuture<S, B, ResBody, St, C, K>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    B: Body,
    St: ReplayStore,
    C: Clock,
    K: KeySource,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let delivery = this.delivery;
        loop {
            let step = match this.stage.as_mut().project() {
                StageProjection::Reading { attempt, buffer } => {
                    let body = ready!(buffer.poll_bytes(cx));
                    delivery.verify(attempt.take(), body)
                }
                StageProjection::Refreshing { refreshing, rejected } => {
                    let refreshed = ready!(refreshing.poll(cx));
                    delivery.try_again(refreshed, rejected.take())
                }
                StageProjection::Claiming { claiming } => {
                    let claim = ready!(claiming.poll(cx));
                    delivery.claimed(claim)
                }
                StageProjection::Readying { claim } => {
                    let ready = ready!(delivery.poll_ready(cx));
                    let held = claim.take();
                    ready?;
                    delivery.handle(held)
                }
                StageProjection::Handling { handling, claim } => {
                    // An error or a panic drops the claim here, which releases it at once.
                    let held = claim.take();
                    let Poll::Ready(answer) = handling.poll(cx) else {
                        *claim = held;
                        return Poll::Pending;
                    };
                    delivery.settle(held, answer?)
                }
                StageProjection::Confirming { response, confirming } => {
                    let settled = ready!(confirming.poll(cx));
                    delivery.confirmed(response.take(), settled)
                }
                StageProjection::Refused { refusal } => delivery.refuse(*refusal),
            };
            match step {
                Step::To(stage) => this.stage.set(stage),
                Step::Answer(response) => return Poll::Ready(Ok(response)),
            }
        }
    }
}

/// What a request carries from stage to stage.
struct Delivery<S, St, C, K> {
    /// The service, and the head that it is to see; until it is called.
    request: Option<(S, request::Parts)>,
    policy: Arc<Policy<St, C, K>>,
    arrived: UnixTime,
    verifier: Verifier,
    /// Whether newer keys were asked for: once is enough.
    refreshed: bool,
    verified: Option<Verified>,
    verification_time: Option<Duration>,
}

impl<S, ResBody, St, C, K> Delivery<S, St, C, K>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    St: ReplayStore,
    C: Clock,
    K: KeySource,
{
    fn begin<B: Body>(&self, body: B) -> Stage<S::Future, B, ResBody, St, C, K> {
        match self.check_head() {
            Ok(attempt) => Stage::Reading {
                attempt: Some(attempt),
                buffer: Buffer::new(body, self.policy.body_limit, self.policy.body_timeout),
            },
            Err(rejection) => self.rejected(Rejected::Head { rejection, body }),
        }
    }

    fn check_head(&self) -> Result<Attempt, Rejection> {
        #[expect(clippy::expect_used, reason = "the head is there until the service is called")]
        let (_, head) = self.request.as_ref().expect("a request is begun before it is handled");
        self.verifier.begin(&head.headers, self.arrived)
    }

    fn verify<B>(
        &mut self,
        attempt: Option<Attempt>,
        body: Result<Bytes, Refusal>,
    ) -> Step<S::Future, B, ResBody, St, C, K> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let attempt = attempt.expect("a request is verified once");
        let body = match body {
            Ok(body) => body,
            Err(refusal) => return Step::To(Stage::Refused { refusal }),
        };
        let started = self.policy.clock.instant();
        let verdict = attempt.finish(body.clone());
        self.verification_time = Some(self.policy.clock.instant().saturating_duration_since(started));
        let policy = &self.policy;
        let verified = match verdict {
            Ok(verified) => self.verified.insert(verified),
            Err(rejection) => return Step::To(self.rejected(Rejected::Body { rejection, body })),
        };
        if policy.events.as_ref().is_some_and(|events| !events.admits(verified.event_type().as_deref())) {
            return Step::Answer(self.acknowledge(StatusCode::NO_CONTENT, Outcome::Filtered));
        }
        let claiming = policy.store.claim(verified.replay_key(), policy.lease, policy.clock.now());
        Step::To(Stage::Claiming { claiming })
    }

    /// Refuses, unless a key that is not known yet could make the difference.
    fn rejected<B>(&self, rejected: Rejected<B>) -> Stage<S::Future, B, ResBody, St, C, K> {
        if rejected.rejection().wants_public_key() && !self.refreshed {
            Stage::Refreshing { refreshing: self.policy.keys.refresh(&self.verifier), rejected: Some(rejected) }
        } else {
            Stage::Refused { refusal: rejected.rejection().into() }
        }
    }

    fn try_again<B: Body>(
        &mut self,
        refreshed: Refreshed,
        rejected: Option<Rejected<B>>,
    ) -> Step<S::Future, B, ResBody, St, C, K> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let rejected = rejected.expect("a request is tried again once");
        self.refreshed = true;
        match (refreshed, rejected) {
            (Refreshed::Newer(verifier), Rejected::Head { body, .. }) => {
                self.verifier = verifier;
                Step::To(self.begin(body))
            }
            (Refreshed::Newer(verifier), Rejected::Body { body, .. }) => {
                self.verifier = verifier;
                match self.check_head() {
                    Ok(attempt) => self.verify(Some(attempt), Ok(body)),
                    Err(rejection) => Step::To(Stage::Refused { refusal: rejection.into() }),
                }
            }
            (Refreshed::Unchanged, rejected) => Step::To(Stage::Refused { refusal: rejected.rejection().into() }),
            (Refreshed::Unavailable, _) => Step::To(Stage::Refused { refusal: Refusal::KeysUnavailable }),
        }
    }

    fn claimed<B>(&mut self, claim: Result<Claim, StoreError>) -> Step<S::Future, B, ResBody, St, C, K> {
        let token = match claim {
            Ok(Claim::Fresh(token)) => token,
            Ok(Claim::Done) => return Step::Answer(self.acknowledge(StatusCode::OK, Outcome::Duplicate)),
            Ok(Claim::InFlight) => return Step::To(Stage::Refused { refusal: Refusal::InFlight }),
            Err(error) => return Step::To(Stage::Refused { refusal: Refusal::StoreUnavailable(error) }),
        };
        // From here on whatever ends this future early gives the claim back.
        let claim = Some(ClaimGuard::new(Arc::clone(&self.policy), token));
        Step::To(Stage::Readying { claim })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        #[expect(clippy::expect_used, reason = "it is there until the only call of the service, which is in `handle`")]
        self.request.as_mut().expect("a service is asked before it is called").0.poll_ready(cx)
    }

    fn handle<B>(&mut self, claim: Option<ClaimGuard<St, C, K>>) -> Step<S::Future, B, ResBody, St, C, K> {
        #[expect(clippy::expect_used, reason = "both are there until the only call of the service, which is here")]
        let (mut service, mut head) = self.request.take().expect("a request is handled once");
        #[expect(clippy::expect_used, reason = "`verify` is the only way here")]
        let verified = self.verified.clone().expect("a claim is made after the verdict");
        let body = VerifiedBody::new(verified.body().clone());
        head.extensions.insert(verified);
        Step::To(Stage::Handling { handling: service.call(Request::from_parts(head, body)), claim })
    }

    fn settle<B>(
        &mut self,
        claim: Option<ClaimGuard<St, C, K>>,
        response: Response<ResBody>,
    ) -> Step<S::Future, B, ResBody, St, C, K> {
        if response.status().is_success()
            && let Some(token) = claim.and_then(ClaimGuard::into_token)
        {
            let confirming = self.policy.store.confirm(token, self.policy.clock.now());
            return Step::To(Stage::Confirming { response: Some(response), confirming });
        }
        Step::Answer(self.answer(response.map(ResponseBody::inner), Outcome::Released))
    }

    fn confirmed<B>(
        &mut self,
        response: Option<Response<ResBody>>,
        settled: Result<Settled, StoreError>,
    ) -> Step<S::Future, B, ResBody, St, C, K> {
        #[expect(clippy::expect_used, reason = "a stage is left once, and a future that is done is not polled")]
        let response = response.expect("a response is answered once");
        let outcome = match settled {
            Ok(Settled::Recorded) => Outcome::Confirmed,
            Ok(Settled::Superseded) | Err(_) => Outcome::Unrecorded,
        };
        Step::Answer(self.answer(response.map(ResponseBody::inner), outcome))
    }

    fn refuse<B>(&mut self, refusal: Refusal) -> Step<S::Future, B, ResBody, St, C, K> {
        Step::Answer(self.answer(refusal.to_response(), Outcome::Refused(refusal)))
    }

    /// A success that the service had no part in.
    fn acknowledge(&mut self, status: StatusCode, outcome: Outcome) -> Response<ResponseBody<ResBody>> {
        let mut response = Response::new(ResponseBody::own(Bytes::new()));
        *response.status_mut() = status;
        response.headers_mut().insert(COUNTERSIGN_OUTCOME, HeaderValue::from_static(outcome.as_str()));
        self.answer(response, outcome)
    }

    fn answer(
        &mut self,
        mut response: Response<ResponseBody<ResBody>>,
        outcome: Outcome,
    ) -> Response<ResponseBody<ResBody>> {
        let report = Report { outcome, verified: self.verified.take(), verification_time: self.verification_time };
        if let Some(refusal) = report.refusal() {
            response.extensions_mut().insert(*refusal);
        }
        response.extensions_mut().insert(report);
        response
    }
}

impl<S, B, ResBody, St, C, K> fmt::Debug for ResponseFuture<S, B, ResBody, St, C, K>
where
    S: Service<Request<VerifiedBody>>,
    St: ReplayStore,
    K: KeySource,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
