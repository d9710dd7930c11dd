use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use countersign::verify::Attempt;
use http::HeaderMap;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::body::{BodyError, DeliveryBody};
use crate::grpc::{self, Messages};
use crate::policy::Settings;
use crate::read::budget::Reservation;
use crate::read::source::{Failed, Source};
use crate::reject::rejection::Rejection;

/// After this many frames in one poll, the timeout is checked and the task yields. Otherwise, a body that is always
/// ready, for example with empty frames, would never time out.
const MAX_FRAMES: usize = 64;

pin_project! {
    /// Reads a complete body, byte for byte, within a size limit, a timeout and a budget.
    pub(crate) struct Buffer<B> {
        #[pin]
        body: Source<B>,
        read: Read,
        limit: usize,
        // The rejection of a body that exceeds the limit.
        too_large: Rejection,
        timeout: Duration,
        // Returned with the bytes when they are complete.
        reservation: Option<Reservation>,
        // Whether the body must be exactly one gRPC message.
        unary: bool,
        // Created only if the body is not available at once. Most bodies are, and a timer costs more than reading them.
        #[pin]
        deadline: Option<Sleep>,
    }
}

/// A complete body, and its bytes of the budget.
pub(crate) struct Buffered {
    pub(crate) bytes: Bytes,
    /// Kept only if the service also receives rejected bodies, because trailers are not signed.
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) reservation: Option<Reservation>,
}

/// The bytes that have been read so far. A single chunk is kept without a copy.
enum Read {
    Whole(Bytes),
    Joined(BytesMut),
}

impl<B> Buffer<B>
where
    B: Body<Error: Into<BodyError>> + Send + 'static,
{
    pub(crate) fn new(body: B, settings: &Settings, attempt: &Attempt, unary: bool) -> Self {
        let budget = &settings.body_budget;
        // A body that can never fit into the budget is too large. Retries of it would be pointless.
        let limit = settings.body_limit.min(budget.capacity());
        // The cost of verification bounds the body too.
        let (limit, too_large) = match (attempt.body_limit(), attempt.check_body_len(limit)) {
            (Some(limit), Some(rejection)) => (limit, rejection.into()),
            _ => (limit, Rejection::BodyTooLarge { limit }),
        };
        let (reservation, timeout) = (Some(budget.open()), settings.body_timeout);
        let body = Source::new(body, settings.on_rejection);
        Self { body, read: Read::Whole(Bytes::new()), limit, too_large, timeout, reservation, unary, deadline: None }
    }

    pub(crate) fn poll_bytes(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Buffered, Rejection>> {
        let mut this = self.project();
        let too_large = *this.too_large;
        let announced = this.body.size_hint().lower();
        if announced > *this.limit as u64 {
            return Poll::Ready(Err(too_large));
        }
        let is_unread = this.read.as_bytes().is_empty();
        if is_unread && !this.reservation.as_ref().is_some_and(|reservation| reservation.has_room_for(announced)) {
            return Poll::Ready(Err(Rejection::OverBudget));
        }
        let mut frames = 0;
        loop {
            frames += 1;
            let polled = if frames > MAX_FRAMES { Poll::Pending } else { this.body.as_mut().poll_data(cx) };
            let Poll::Ready(frame) = polled else {
                if this.deadline.is_none() {
                    this.deadline.set(Some(sleep(*this.timeout)));
                }
                if let Some(deadline) = this.deadline.as_mut().as_pin_mut()
                    && deadline.poll(cx).is_pending()
                {
                    if frames > MAX_FRAMES {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                return Poll::Ready(Err(Rejection::BodyTimeout { after: *this.timeout }));
            };
            let Some(frame) = frame else {
                if *this.unary
                    && let Err(rejection) = complete_call(this.read.as_bytes())
                {
                    return Poll::Ready(Err(rejection));
                }
                let (bytes, trailers) = (this.read.take(), this.body.take_trailers());
                return Poll::Ready(Ok(Buffered { bytes, trailers, reservation: this.reservation.take() }));
            };
            let data = match frame {
                Ok(Some(data)) => data,
                Ok(None) => continue,
                Err(Failed::TooLarge) => {
                    // The error does not name the limit.
                    return Poll::Ready(Err(Rejection::BodyTooLarge { limit: this.read.as_bytes().len() }));
                }
                Err(Failed::Unreadable) => return Poll::Ready(Err(Rejection::BodyUnreadable)),
            };
            let rejection = if this.read.as_bytes().len() + data.remaining() > *this.limit {
                Some(too_large)
            } else if this.reservation.as_mut().is_none_or(|reservation| reservation.grow(data.remaining()).is_err()) {
                Some(Rejection::OverBudget)
            } else {
                None
            };
            if let Some(rejection) = rejection {
                if this.body.is_kept() {
                    this.read.append(data);
                }
                return Poll::Ready(Err(rejection));
            }
            this.read.append(data);
            // Reject a stream at once. It may wait for a response before it ends.
            match grpc::messages(this.read.as_bytes()) {
                Messages::More if *this.unary => return Poll::Ready(Err(Rejection::GrpcStream)),
                Messages::Partial(Some(length)) if *this.unary && length > *this.limit as u64 => {
                    return Poll::Ready(Err(too_large));
                }
                _ => {}
            }
        }
    }

    /// The body of a rejected request, exactly as sent. Empty if the service does not receive rejected requests.
    pub(crate) fn hand_over(self: Pin<&mut Self>) -> DeliveryBody {
        let this = self.project();
        this.body.hand_over(|| this.read.take())
    }
}

/// Checks that a complete body is exactly one gRPC message.
fn complete_call(body: &[u8]) -> Result<(), Rejection> {
    match grpc::messages(body) {
        Messages::One => Ok(()),
        Messages::Partial(None) if body.is_empty() => Err(Rejection::GrpcStream),
        Messages::Partial(_) => Err(Rejection::BodyUnreadable),
        Messages::More => Err(Rejection::GrpcStream),
    }
}

impl Read {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Joined(bytes) => bytes,
        }
    }

    fn append(&mut self, mut data: impl Buf) {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => *bytes = data.copy_to_bytes(data.remaining()),
            Self::Whole(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + data.remaining());
                joined.put(first);
                joined.put(data);
                *self = Self::Joined(joined);
            }
            Self::Joined(bytes) => bytes.put(data),
        }
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::Whole(Bytes::new())) {
            Self::Whole(bytes) => bytes,
            Self::Joined(bytes) => bytes.freeze(),
        }
    }
}
