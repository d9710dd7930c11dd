use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

/// The body of a request that passes an [`Observe`](crate::Observe), as it came: what was read to be
/// verified, then what was not; trailers and failures included.
pub struct ObservedBody<B: Body> {
    tape: Tape<B>,
}

/// What was read of a body, and the rest of it.
struct Tape<B: Body> {
    read: VecDeque<Frame<Bytes>>,
    error: Option<B::Error>,
    /// Until its end has been seen.
    rest: Option<B>,
}

/// Reads a body, and keeps what it has read.
pub(super) struct Tee<B: Body> {
    shared: Recording<B>,
}

/// Where the body is found again when all is said.
pub(super) struct Recording<B: Body>(Arc<Mutex<Option<Tape<B>>>>);

/// The body failed. Its own error is kept, for the service.
pub(super) struct Failed;

impl<B: Body> Recording<B> {
    pub(super) fn of(body: B) -> Self {
        Self(Arc::new(Mutex::new(Some(Tape { read: VecDeque::new(), error: None, rest: Some(body) }))))
    }

    pub(super) fn tee(&self) -> Tee<B> {
        Tee { shared: self.clone() }
    }

    /// The body, once: whoever hands it to the service has it.
    pub(super) fn take(&self) -> Option<ObservedBody<B>> {
        self.lock().take().map(|tape| ObservedBody { tape })
    }

    /// Whether nobody has taken it yet.
    pub(super) fn is_left(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Tape<B>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Body> Clone for Recording<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Body + Unpin> Body for Tee<B> {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        let mut tape = self.shared.lock();
        let Some(tape) = tape.as_mut() else { return Poll::Ready(None) };
        let Some(rest) = tape.rest.as_mut() else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(rest).poll_frame(cx)) {
            Some(Ok(frame)) => frame.map_data(|mut data| data.copy_to_bytes(data.remaining())),
            Some(Err(error)) => {
                tape.error = Some(error);
                tape.rest = None;
                return Poll::Ready(Some(Err(Failed)));
            }
            None => {
                tape.rest = None;
                return Poll::Ready(None);
            }
        };
        let copy = frame
            .data_ref()
            .map_or_else(|| frame.trailers_ref().cloned().map(Frame::trailers), |data| Some(Frame::data(data.clone())));
        tape.read.extend(copy);
        Poll::Ready(Some(Ok(frame)))
    }

    fn size_hint(&self) -> SizeHint {
        let tape = self.shared.lock();
        tape.as_ref().and_then(|tape| tape.rest.as_ref()).map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

// Its error is only ever moved.
impl<B: Body + Unpin> Unpin for ObservedBody<B> {}

impl<B: Body + Unpin> Body for ObservedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let tape = &mut self.tape;
        if let Some(frame) = tape.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = tape.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(rest) = tape.rest.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(rest).poll_frame(cx));
        let to_bytes = |frame: Frame<B::Data>| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        Poll::Ready(frame.map(|frame| frame.map(to_bytes)))
    }

    fn is_end_stream(&self) -> bool {
        let Tape { read, error, rest } = &self.tape;
        read.is_empty() && error.is_none() && rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self.tape.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.tape.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(read.saturating_add(upper));
        }
        hint
    }
}

impl<B: Body> fmt::Debug for ObservedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read: usize = self.tape.read.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        write!(f, "ObservedBody([{read} bytes read])")
    }
}
