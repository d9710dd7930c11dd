use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use countersign::ReplayStore;
use http::{Request, Response, request};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Observed;
use super::body::{ObservedBody, Recording, Tee};
use super::service::Passing;
use crate::body::ResponseBody;
use crate::future::ResponseFuture;
use crate::policy::Policy;
use crate::report::Report;
use crate::sources::Sources;

pin_project! {
    /// The path of one request through [`Observe`](crate::Observe): that through [`Verify`](crate::Verify),
    /// and around it to the service where that path ends before.
    pub struct ObserveFuture<S, B, ResBody, K, St>
    where
        S: Service<Request<ObservedBody<B>>>,
        B: Body,
        K: Sources,
        St: ReplayStore,
    {
        #[pin]
        stage: Stage<S::Future, ResponseFuture<Passing<S, B>, Tee<B>, ResBody, K, St>>,
        stopped: Stopped<S, B>,
        report: Option<Report>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, V> {
        Verifying { #[pin] verifying: V },
        Readying,
        Handling { #[pin] handling: F },
    }
}

/// What it takes to call the service with a request that was stopped.
struct Stopped<S, B: Body> {
    service: S,
    head: Option<request::Parts>,
    recording: Recording<B>,
}

impl<S, B, ResBody, K, St> ObserveFuture<S, B, ResBody, K, St>
where
    S: Service<Request<ObservedBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body + Unpin,
    ResBody: Body,
    K: Sources,
    St: ReplayStore,
{
    pub(super) fn new(service: S, policy: Arc<Policy<K, St>>, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let recording = Recording::of(body);
        let passing = Passing::new(service.clone(), recording.clone());
        let verifying = ResponseFuture::new(passing, policy, Request::from_parts(head.clone(), recording.tee()));
        let stopped = Stopped { service, head: Some(head), recording };
        Self { stage: Stage::Verifying { verifying }, stopped, report: None }
    }
}

impl<S, B, ResBody, K, St> Future for ObserveFuture<S, B, ResBody, K, St>
where
    S: Service<Request<ObservedBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body + Unpin,
    ResBody: Body,
    K: Sources,
    St: ReplayStore,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Verifying { verifying } => {
                    let mut response = ready!(verifying.poll(cx))?;
                    if !this.stopped.recording.is_left() {
                        return Poll::Ready(Ok(response));
                    }
                    // The service has not seen it, so this answer is the layer's own, and nobody's now.
                    *this.report = response.extensions_mut().remove::<Report>();
                    this.stage.set(Stage::Readying);
                }
                StageProjection::Readying => {
                    ready!(this.stopped.service.poll_ready(cx))?;
                    let handling = this.stopped.call(this.report.as_ref());
                    this.stage.set(Stage::Handling { handling });
                }
                StageProjection::Handling { handling } => {
                    let mut response = ready!(handling.poll(cx))?;
                    if let Some(report) = this.report.take() {
                        response.extensions_mut().insert(report);
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
            }
        }
    }
}

impl<S: Service<Request<ObservedBody<B>>>, B: Body> Stopped<S, B> {
    fn call(&mut self, report: Option<&Report>) -> S::Future {
        #[expect(clippy::expect_used, reason = "a stage is left once, and nobody else has taken the body")]
        let (mut head, body) = self.head.take().zip(self.recording.take()).expect("a request is handed over once");
        if let Some(report) = report {
            head.extensions.insert(Observed::Stopped(report.outcome().clone()));
            if let Some(verified) = report.verified() {
                head.extensions.insert(verified.clone());
            }
        }
        self.service.call(Request::from_parts(head, body))
    }
}

impl<S, B, ResBody, K, St> fmt::Debug for ObserveFuture<S, B, ResBody, K, St>
where
    S: Service<Request<ObservedBody<B>>>,
    B: Body,
    K: Sources,
    St: ReplayStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveFuture").finish_non_exhaustive()
    }
}
