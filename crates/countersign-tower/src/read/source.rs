//! The body that is being read. It is read in place, or kept for a service that also receives rejected requests.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, SizeHint};
use http_body_util::LengthLimitError;
use pin_project_lite::pin_project;

use crate::body::{BodyError, DeliveryBody};
use crate::policy::OnRejection;

pin_project! {
    #[project = SourceProjection]
    pub(super) enum Source<B> {
        InPlace { #[pin] body: B },
        Kept { kept: Kept<B> },
    }
}

/// A body that the service receives even if the request is rejected, so no part of it may be lost.
pub(super) struct Kept<B> {
    /// `None` once it has ended or failed.
    body: Option<Pin<Box<B>>>,
    trailers: Option<HeaderMap>,
    failure: Option<BodyError>,
}

/// Why the body failed.
pub(super) enum Failed {
    /// It exceeds the limit of a layer around this one.
    TooLarge,
    /// It ended early, or its framing is invalid.
    Unreadable,
}

impl Failed {
    fn of(error: &BodyError) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&**error);
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return Self::TooLarge;
            }
            cause = error.source();
        }
        Self::Unreadable
    }
}

impl<B> Source<B>
where
    B: Body<Error: Into<BodyError>> + Send + 'static,
{
    pub(super) fn new(body: B, on_rejection: OnRejection) -> Self {
        match on_rejection {
            OnRejection::Reject => Self::InPlace { body },
            OnRejection::DangerHandOver => {
                Self::Kept { kept: Kept { body: Some(Box::pin(body)), trailers: None, failure: None } }
            }
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept { .. })
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::InPlace { body } => body.size_hint(),
            Self::Kept { kept } => kept.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint),
        }
    }

    /// The next data, or `Some(Ok(None))` for a frame with trailers.
    pub(super) fn poll_data(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Option<B::Data>, Failed>>> {
        let frame = match self.project() {
            SourceProjection::InPlace { body } => {
                let frame = ready!(body.poll_frame(cx));
                frame.map(|frame| frame.map(|frame| frame.into_data().ok()).map_err(|error| Failed::of(&error.into())))
            }
            SourceProjection::Kept { kept } => {
                let Some(body) = &mut kept.body else { return Poll::Ready(None) };
                match ready!(body.as_mut().poll_frame(cx)).transpose() {
                    Ok(Some(frame)) => {
                        Some(Ok(frame.into_data().map_err(|frame| kept.trailers = frame.into_trailers().ok()).ok()))
                    }
                    Ok(None) => {
                        kept.body = None;
                        None
                    }
                    Err(error) => {
                        let error = error.into();
                        let failed = Failed::of(&error);
                        (kept.body, kept.failure) = (None, Some(error));
                        Some(Err(failed))
                    }
                }
            }
        };
        Poll::Ready(frame)
    }

    pub(super) fn take_trailers(self: Pin<&mut Self>) -> Option<HeaderMap> {
        match self.project() {
            SourceProjection::InPlace { .. } => None,
            SourceProjection::Kept { kept } => kept.trailers.take(),
        }
    }

    /// The complete body, if it is kept: `read` returns the bytes that were read, and the rest follows.
    pub(super) fn hand_over(self: Pin<&mut Self>, read: impl FnOnce() -> Bytes) -> DeliveryBody {
        let SourceProjection::Kept { kept } = self.project() else { return DeliveryBody::default() };
        match (kept.body.take(), kept.failure.take()) {
            (Some(body), _) => DeliveryBody::unread(read(), body),
            (None, Some(error)) => DeliveryBody::failed(read(), error),
            (None, None) => DeliveryBody::whole(read(), kept.trailers.take()),
        }
    }
}
