use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::body::frame::take_frame;
use crate::grpc::{self, code};
use crate::settle::body::SettlingBody;

pin_project! {
    /// The body of a response from the service, or from the layer itself.
    ///
    /// If the end of the body settles the delivery ([`ConfirmAt::BodyEnd`](crate::policy::ConfirmAt::BodyEnd) and gRPC
    /// calls), the body owns the claim. Dropping it before the end releases the claim.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjection]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Settling { #[pin] body: SettlingBody<B> },
        // A gRPC call ends with trailers, here always with the status of a success.
        Own { bytes: Bytes, is_call: bool },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(crate) fn settling(body: SettlingBody<B>) -> Self {
        Self { kind: Kind::Settling { body } }
    }

    pub(crate) fn own(bytes: Bytes) -> Self {
        Self { kind: Kind::Own { bytes, is_call: false } }
    }

    /// The response body of a successful gRPC call.
    pub(crate) fn own_call(message: Bytes) -> Self {
        Self { kind: Kind::Own { bytes: message, is_call: true } }
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(cx),
            KindProjection::Settling { body } => body.poll_frame(cx),
            KindProjection::Own { bytes, is_call } => {
                let frame = take_frame(bytes)
                    .or_else(|| std::mem::take(is_call).then(|| Frame::trailers(grpc::trailers(code::OK))));
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Settling { body } => body.is_end_stream(),
            Kind::Own { bytes, is_call } => bytes.is_empty() && !is_call,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Settling { body } => body.size_hint(),
            Kind::Own { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
