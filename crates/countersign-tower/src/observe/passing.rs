use std::task::{Context, Poll};

use http::Request;
use http_body::Body;
use tower_service::Service;

use super::Observed;
use super::body::{ObservedBody, Recording};
use crate::body::VerifiedBody;

/// The service as [`Verify`](crate::Verify) calls it, with the body as it came in place of a copy.
pub(super) struct Passing<S, B: Body> {
    inner: S,
    recording: Recording<B>,
}

impl<S, B: Body> Passing<S, B> {
    pub(super) fn new(inner: S, recording: Recording<B>) -> Self {
        Self { inner, recording }
    }
}

impl<S, B> Service<Request<VerifiedBody>> for Passing<S, B>
where
    S: Service<Request<ObservedBody<B>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<VerifiedBody>) -> S::Future {
        let (mut head, _) = request.into_parts();
        head.extensions.insert(Observed::Passed);
        #[expect(clippy::expect_used, reason = "the body is taken once: here, or when this was not called")]
        let body = self.recording.take().expect("a verified delivery is handed over once");
        self.inner.call(Request::from_parts(head, body))
    }
}
