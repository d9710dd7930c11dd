use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign::{Attempt, Clock, ReplayStore, Verifier};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{ResponseBody, VerifiedBody};
use crate::buffer::Buffer;
use crate::claim::{ClaimGuard, Claiming, Confirming};
use crate::delivery::Delivery;
use crate::policy::{Policy, Terms};
use crate::rejection::Rejection;
use crate::render::{ProblemDocument, RenderRejection};
use crate::report::OnReport;
use crate::sources::Sources;
use crate::trace::RequestSpan;

pin_project! {
    /// The path of one request through [`Verify`](crate::Verify): read, verify, claim, handle, settle, answer.
    pub struct ResponseFuture<S, B, ResBody, St, C, K = Verifier, H = (), R = ProblemDocument>
    where
        S: Service<Request<VerifiedBody>>,
        St: ReplayStore,
        C: Clock,
        K: Sources,
        H: OnReport,
        R: RenderRejection,
    {
        // In this order: what is reported has happened.
        #[pin]
        stage: Stage<S::Future, B, ResBody, Policy<St, C, K, H, R>>,
        delivery: Delivery<S, Policy<St, C, K, H, R>>,
        span: RequestSpan,
    }
}

pin_project! {
    #[project = StageProjection]
    pub(crate) enum Stage<F, B, ResBody, P: Terms> {
        Rejected { rejection: Rejection },
        Reading { attempt: Option<Attempt>, #[pin] buffer: Buffer<B> },
        Refreshing { #[pin] refreshing: <P::Sources as Sources>::Refreshing, rejected: Option<Rejected<B>> },
        Claiming { claiming: Claiming<P> },
        Readying { claim: Option<ClaimGuard<P>> },
        // In this order: the claim is held until nothing is left of the service's future.
        Handling { #[pin] handling: F, claim: Option<ClaimGuard<P>> },
        Confirming { response: Option<Response<ResBody>>, confirming: Confirming<P> },
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
pub(crate) enum Step<F, B, ResBody, P: Terms> {
    To(Stage<F, B, ResBody, P>),
    Answer(Response<ResponseBody<ResBody>>),
}

impl<S, B, ResBody, St, C, K, H, R> ResponseFuture<S, B, ResBody, St, C, K, H, R>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    B: Body,
    ResBody: Body,
    St: ReplayStore,
    C: Clock,
    K: Sources,
    H: OnReport,
    R: RenderRejection,
{
    pub(crate) fn new(service: S, policy: Arc<Policy<St, C, K, H, R>>, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let span = RequestSpan::new(&head);
        let delivery = Delivery::new(service, head, policy, span.clone());
        let stage = delivery.begin(body);
        Self { stage, delivery, span }
    }
}

impl<S, B, ResBody, St, C, K, H, R> Future for ResponseFuture<S, B, ResBody, St, C, K, H, R>
where
    S: Service<Request<VerifiedBody>, Response = Response<ResBody>>,
    B: Body,
    ResBody: Body,
    St: ReplayStore,
    C: Clock,
    K: Sources,
    H: OnReport,
    R: RenderRejection,
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

impl<S, B, ResBody, St, C, K, H, R> fmt::Debug for ResponseFuture<S, B, ResBody, St, C, K, H, R>
where
    S: Service<Request<VerifiedBody>>,
    St: ReplayStore,
    C: Clock,
    K: Sources,
    H: OnReport,
    R: RenderRejection,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
