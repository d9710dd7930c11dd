use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::refusal::Refusal;

pin_project! {
    /// Reads a whole body, byte for byte, up to a limit and a time.
    pub(crate) struct Buffer<B> {
        #[pin]
        body: B,
        read: Read,
        limit: usize,
        timeout: Duration,
        // Set when the body is not there at once: most are, and a timer costs more than they do.
        #[pin]
        deadline: Option<Sleep>,
    }
}

/// What has been read so far. One chunk is kept as it came, without a copy.
enum Read {
    Whole(Bytes),
    Joined(BytesMut),
}

impl<B: Body> Buffer<B> {
    pub(crate) fn new(body: B, limit: usize, timeout: Duration) -> Self {
        Self { body, read: Read::Whole(Bytes::new()), limit, timeout, deadline: None }
    }

    pub(crate) fn poll_bytes(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Bytes, Refusal>> {
        let mut this = self.project();
        let too_large = Refusal::BodyTooLarge { limit: *this.limit };
        if this.body.size_hint().lower() > *this.limit as u64 {
            return Poll::Ready(Err(too_large));
        }
        loop {
            let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
                if this.deadline.is_none() {
                    this.deadline.set(Some(sleep(*this.timeout)));
                }
                if let Some(deadline) = this.deadline.as_mut().as_pin_mut() {
                    ready!(deadline.poll(cx));
                }
                return Poll::Ready(Err(Refusal::BodyTimeout { after: *this.timeout }));
            };
            let Some(frame) = frame else { return Poll::Ready(Ok(this.read.take())) };
            let Ok(frame) = frame else { return Poll::Ready(Err(Refusal::BodyUnreadable)) };
            // Trailers are not signed, so they are not passed on.
            let Ok(data) = frame.into_data() else { continue };
            if this.read.len() + data.remaining() > *this.limit {
                return Poll::Ready(Err(too_large));
            }
            this.read.append(data);
        }
    }
}

impl Read {
    fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Joined(bytes) => bytes.len(),
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
