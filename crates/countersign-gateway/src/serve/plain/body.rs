//! The body of a plain request: first the part that has arrived, then the rest as it arrives.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

/// The maximum number of bytes per read.
const MAX_READ: usize = 64 * 1024;

/// The body of a plain request.
#[derive(Debug)]
pub(in crate::serve) struct PlainBody {
    arrived: Bytes,
    rest: Option<Rest>,
}

/// The part that has not arrived yet.
#[derive(Debug)]
struct Rest {
    missing: u64,
    source: Option<OwnedReadHalf>,
    lender: Lender,
}

/// Where a body returns the read half of its connection on drop, with the number of unread bytes.
/// Nothing is returned if reading failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Lender(Arc<Mutex<Option<(OwnedReadHalf, u64)>>>);

impl Lender {
    /// The read half, and the number of body bytes that are still to be read.
    pub(super) fn take_back(&self) -> Option<(OwnedReadHalf, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl PlainBody {
    /// Creates a body that has arrived completely.
    pub(super) fn whole(arrived: Bytes) -> Self {
        Self { arrived, rest: None }
    }

    /// Creates a body whose last `missing` bytes are still to be read from `source`.
    pub(super) fn partial(arrived: Bytes, missing: u64, source: OwnedReadHalf) -> (Self, Lender) {
        let lender = Lender::default();
        (Self { arrived, rest: Some(Rest { missing, source: Some(source), lender: lender.clone() }) }, lender)
    }
}

impl Rest {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let Some(source) = &mut self.source else { return Poll::Ready(Ok(Bytes::new())) };
        let most = usize::try_from(self.missing).unwrap_or(MAX_READ).min(MAX_READ);
        // No memory is reserved for a slow sender.
        ready!(source.as_ref().poll_read_ready(cx))?;
        let mut bytes = BytesMut::zeroed(most);
        let mut room = ReadBuf::new(&mut bytes);
        ready!(Pin::new(source).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.truncate(read);
        self.missing -= read as u64;
        Poll::Ready(Ok(bytes.freeze()))
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            *self.lender.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((source, self.missing));
        }
    }
}

impl Body for PlainBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let arrived = std::mem::take(&mut self.arrived);
        if !arrived.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(arrived))));
        }
        match &mut self.rest {
            Some(rest) if rest.missing > 0 => {
                let read = ready!(rest.poll_read(cx));
                if read.is_err() {
                    // After an error, the body has no more frames, and the connection is not used again.
                    (rest.missing, rest.source) = (0, None);
                }
                Poll::Ready(Some(read.map(Frame::data)))
            }
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.arrived.is_empty() && self.rest.as_ref().is_none_or(|rest| rest.missing == 0)
    }

    fn size_hint(&self) -> SizeHint {
        let missing = self.rest.as_ref().map_or(0, |rest| rest.missing);
        SizeHint::with_exact(self.arrived.len() as u64 + missing)
    }
}
