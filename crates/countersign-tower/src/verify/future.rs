use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use countersign::Verifier;
use countersign::replay::{MemoryStore, ReplayStore};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{BodyError, DeliveryBody, ResponseBody};
use crate::policy::Policy;
use crate::report::trace::RequestSpan;
use crate::sources::Sources;
use crate::verify::delivery::Delivery;
use crate::verify::stage::{Stage, StageProjection, Step};

pin_project! {
    /// The future of [`Verify`](crate::Verify), which processes one request.
    pub struct ResponseFuture<S, B, ResBody, K = Verifier, St = Arc<MemoryStore>>
    where
        S: Service<Request<DeliveryBody>>,
        K: Sources,
        St: ReplayStore,
    {
        // Fields drop in this order: release the claim first, then report.
        #[pin]
        stage: Stage<S::Future, B, ResBody, K, St>,
        delivery: Delivery<S, K, St>,
        span: RequestSpan,
    }
}

impl<S, B, ResBody, K, St> ResponseFuture<S, B, ResBody, K, St>
where
    S: Service<Request<DeliveryBody>, Response = Response<ResBody>>,
    B: Body<Error: Into<BodyError>> + Send + 'static,
    ResBody: Body,
    K: Sources,
    St: ReplayStore,
{
    pub(crate) fn new(service: S, policy: Arc<Policy<K, St>>, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let span = RequestSpan::new(&head);
        let mut delivery = Delivery::new(service, head, policy, span.clone());
        let stage = delivery.begin(body);
        Self { stage, delivery, span }
    }
}

impl<S, B, ResBody, K, St> Future for ResponseFuture<S, B, ResBody, K, St>
where
    S: Service<Request<DeliveryBody>, Response = Response<ResBody>>,
    B: Body<Error: Into<BodyError>> + Send + 'static,
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
                StageProjection::Reading { attempt, mut buffer } => match ready!(buffer.as_mut().poll_bytes(cx)) {
                    Ok(body) => Step::To(delivery.verify(attempt.take(), body)),
                    Err(rejection) => Step::To(delivery.unread(rejection, buffer.hand_over())),
                },
                StageProjection::Refreshing { refreshing, rejected } => {
                    let refreshed = ready!(refreshing.poll(cx));
                    Step::To(delivery.try_again(refreshed, rejected.take()))
                }
                StageProjection::Claiming { claiming } => Step::To(delivery.claimed(ready!(claiming.poll(cx)))),
                StageProjection::Readying { claim } => {
                    let ready = ready!(delivery.poll_ready(cx));
                    let held = claim.take();
                    match ready {
                        Ok(()) => Step::To(delivery.handle(held)),
                        Err(error) => return Poll::Ready(Err(delivery.failed(held, error))),
                    }
                }
                StageProjection::Handling { handling, claim } => {
                    // A panic drops the claim here, which releases it at once.
                    let held = claim.take();
                    match handling.poll(cx) {
                        Poll::Ready(Ok(response)) => delivery.settle(held, response),
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
                StageProjection::Stopped { outcome } => delivery.stop(outcome.take()),
            };
            match step {
                Step::To(stage) => this.stage.set(stage),
                Step::Respond(response) => return Poll::Ready(Ok(response)),
            }
        }
    }
}

impl<S, B, ResBody, K, St> fmt::Debug for ResponseFuture<S, B, ResBody, K, St>
where
    S: Service<Request<DeliveryBody>>,
    K: Sources,
    St: ReplayStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
