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
use crate::read::source::Source;
use crate::reject::rejection::Rejection;

/// After so many frames at once, time is looked at and others get their turn: a body that is always ready, with
/// empty frames for example, must not escape its timeout.
const MAX_FRAMES: usize = 64;

pin_project! {
    /// Reads a whole body, byte for byte, up to a limit, a time, and what is left of a budget.
    pub(crate) struct Buffer<B> {
        #[pin]
        body: Source<B>,
        read: Read,
        limit: usize,
        // The rejection of one more byte.
        too_large: Rejection,
        timeout: Duration,
        // Taken with the bytes when they are complete.
        reservation: Option<Reservation>,
        // Whether it is to be one message of gRPC, and no more.
        unary: bool,
        // Set when the body is not there at once: most are, and a timer costs more than they do.
        #[pin]
        deadline: Option<Sleep>,
    }
}

/// A whole body, and its place in the budget.
pub(crate) struct Buffered {
    pub(crate) bytes: Bytes,
    /// Only where a rejected body is handed over: they are not signed.
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) reservation: Option<Reservation>,
}

/// What has been read so far. One chunk is kept as it came, without a copy.
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
        // What can never fit is too large, rather than to be sent again and again.
        let limit = settings.body_limit.min(budget.capacity());
        // Nor is more read than can be verified at a bounded cost.
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
            let Ok(frame) = frame else { return Poll::Ready(Err(Rejection::BodyUnreadable)) };
            let Some(data) = frame else { continue };
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
            // A stream may wait for an answer before it ends, so it is not waited for.
            match grpc::messages(this.read.as_bytes()) {
                Messages::More if *this.unary => return Poll::Ready(Err(Rejection::GrpcStream)),
                Messages::Partial(Some(length)) if *this.unary && length > *this.limit as u64 => {
                    return Poll::Ready(Err(too_large));
                }
                _ => {}
            }
        }
    }

    /// The body of a rejected request, as its sender sent it; empty if it is not to be handed over.
    pub(crate) fn hand_over(self: Pin<&mut Self>) -> DeliveryBody {
        let this = self.project();
        this.body.hand_over(|| this.read.take())
    }
}

/// A unary call's body is one message.
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
