use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign::{Attempt, MemoryStore, ReplayStore, Verifier};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{ResponseBody, VerifiedBody};
use crate::buffer::Buffer;
use crate::claim::{ClaimGuard, Claiming, Confirming};
use crate::delivery::Delivery;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::sources::Sources;
use crate::trace::RequestSpan;

pin_project! {
    /// The path of one request through [`Verify`](crate::Verify): read, verify, claim, handle, settle, answer.
    pub struct ResponseFuture<S, B, ResBody, K = Verifier, St = Arc<MemoryStore>>
    where
        S: Service<Request<VerifiedBody>>,
        K: Sources,
        St: ReplayStore,
    {
        // In this order: what is reported has happened.
        #[pin]
        stage: Stage<S::Future, B, ResBody, K, St>,
        delivery: Delivery<S, K, St>,
        span: RequestSpan,
    }
}

pin_project! {
    #[project = StageProjection]
    pub(crate) enum Stage<F, B, ResBody, K: Sources, St: ReplayStore> {
        Rejected { rejection: Rejection },
        Reading { attempt: Option<Attempt>, #[pin] buffer: Buffer<B> },
        Refreshing { #[pin] refreshing: K::Refreshing, rejected: Option<Rejected<B>> },
        Claiming { claiming: Claiming<K, St> },
        Readying { claim: Option<ClaimGuard<K, St>> },
        // In this order: the claim is held until nothing is left of the service's future.
        Handling { #[pin] handling: F, claim: Option<ClaimGuard<K, St>> },
        Confirming { response: Option<Response<ResBody>>, confirming: Confirming<K, St> },
    }
}

/// A delivery that newer keys could mend, and where it goes on with them.
pub(crate) enum Rejected<B> {
    Head { rejection: Rejection, body: B },
    Body { rejection: Rejection, body: Bytes },
}

impl<B> Rejected<B> {
    pub(crate) fn rejection(&self) -> Rejection {
        match self {
            Self::Head { rejection, .. } | Self::Body { rejection, .. } => *rejection,
        }
    }
}

/// Where a request goes from a stage.
#[expect(clippy::large_enum_variant, reason = "it is matched at once, and a box would be an allocation per stage")]
pub(crate) enum Step<F, B, ResBody, K: Sources, St: ReplayStore> {
    To(Stage<F, B, ResBody, K, St>),
    Answer(Response<ResponseBody<ResBody>>),
}

impl<S, B, ResBody, K, St> ResponseFuture<S, B, ResBody, K, St>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    B: Body,
    ResBody: Body,
    K: Sources,
    St: ReplayStore,
{
    pub(crate) fn new(service: S, policy: Arc<Policy<K, St>>, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let span = RequestSpan::new(&head);
        let delivery = Delivery::new(service, head, policy, span.clone());
        let stage = delivery.begin(body);
        Self { stage, delivery, span }
    }
}

impl<S, B, ResBody, K, St> Future for ResponseFuture<S, B, ResBody, K, St>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    B: Body,
    ResBody: Body,
    K: Sources,
    St: ReplayStore,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let delivery = this.delivery;
        let _entered = this.span.enter();
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
                    match ready {
                        Ok(()) => delivery.handle(held),
                        Err(error) => return Poll::Ready(Err(delivery.failed(held, error))),
                    }
                }
                StageProjection::Handling { handling, claim } => {
                    // A panic drops the claim here, which releases it at once.
                    let held = claim.take();
                    match handling.poll(cx) {
                        Poll::Ready(Ok(answer)) => delivery.settle(held, answer),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(delivery.failed(held, error))),
                        Poll::Pending => {
                            *claim = held;
                            return Poll::Pending;
                        }
                    }
                }
                StageProjection::Confirming { response, confirming } => {
                    let settled = ready!(confirming.poll(cx));
                    delivery.confirmed(response.take(), settled.map(|(_, settled)| settled))
                }
                StageProjection::Rejected { rejection } => delivery.reject(*rejection),
            };
            match step {
                Step::To(stage) => this.stage.set(stage),
                Step::Answer(response) => return Poll::Ready(Ok(response)),
            }
        }
    }
}

impl<S, B, ResBody, K, St> fmt::Debug for ResponseFuture<S, B, ResBody, K, St>
where
    S: Service<Request<VerifiedBody>>,
    K: Sources,
    St: ReplayStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
