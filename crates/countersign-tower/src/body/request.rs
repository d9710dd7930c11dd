use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::body::frame::take_frame;

/// The error of a request body, as the server reports it.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request to the service.
///
/// The body of a verified delivery is complete: exactly the signed bytes. It never fails, and it has no trailers,
/// because they are not signed.
///
/// With [`OnRejection::DangerHandOver`](crate::policy::OnRejection::DangerHandOver), the body is passed on exactly as
/// sent: first the part that the layer has read, then the rest as it arrives, including trailers and errors.
#[derive(Default)]
pub struct DeliveryBody {
    bytes: Bytes,
    rest: Option<Box<Rest>>,
}

/// The part of a body after the bytes that the layer has read.
enum Rest {
    Trailers(HeaderMap),
    Failure(BodyError),
    /// Never locked for writing: `Mutex` only turns a `Send` value into a `Sync` one.
    Unread(Mutex<UnsyncBoxBody<Bytes, BodyError>>),
}

impl DeliveryBody {
    pub(crate) fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { bytes, rest: trailers.map(|trailers| Box::new(Rest::Trailers(trailers))) }
    }

    pub(crate) fn failed(bytes: Bytes, error: BodyError) -> Self {
        Self { bytes, rest: Some(Box::new(Rest::Failure(error))) }
    }

    pub(crate) fn unread<B>(bytes: Bytes, body: B) -> Self
    where
        B: Body<Error: Into<BodyError>> + Send + 'static,
    {
        let to_bytes = |frame: Frame<B::Data>| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        let body = body.map_frame(to_bytes).map_err(Into::into).boxed_unsync();
        Self { bytes, rest: Some(Box::new(Rest::Unread(Mutex::new(body)))) }
    }

    /// Returns the bytes that have not been polled yet, which are all bytes at first.
    ///
    /// # Errors
    /// Returns the body unchanged if it is not complete, and must be read as a [`Body`]. The body of a verified
    /// delivery is always complete.
    pub fn into_bytes(self) -> Result<Bytes, Self> {
        match self.rest.as_deref() {
            None | Some(Rest::Trailers(_)) => Ok(self.bytes),
            Some(Rest::Failure(_) | Rest::Unread(_)) => Err(self),
        }
    }
}

impl Body for DeliveryBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = take_frame(&mut self.bytes) {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(Rest::Unread(body)) = self.rest.as_deref_mut() {
            let body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
            return Pin::new(body).poll_frame(cx);
        }
        Poll::Ready(match self.rest.take().map(|rest| *rest) {
            Some(Rest::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Rest::Failure(error)) => Some(Err(error)),
            Some(Rest::Unread(_)) | None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
            && match self.rest.as_deref() {
                None => true,
                Some(Rest::Trailers(_) | Rest::Failure(_)) => false,
                Some(Rest::Unread(body)) => body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.bytes.len() as u64;
        let rest = match self.rest.as_deref() {
            None | Some(Rest::Trailers(_)) => SizeHint::with_exact(0),
            // The length of the missing part is unknown.
            Some(Rest::Failure(_)) => SizeHint::default(),
            Some(Rest::Unread(body)) => body.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

impl fmt::Debug for DeliveryBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = match self.rest.as_deref() {
            None => "",
            Some(Rest::Trailers(_)) => ", then trailers",
            Some(Rest::Failure(_)) => ", then an error",
            Some(Rest::Unread(_)) => ", then an unread part",
        };
        write!(f, "DeliveryBody([{} bytes]{rest})", self.bytes.len())
    }
}
