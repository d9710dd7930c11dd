//! The response of an upstream that speaks HTTP/2, on its way to the sender.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, Version, response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::alarm::{Alarm, after};
use super::body::BodyError;
use super::in_flight::Slot;
use super::report;
use crate::trust::SenderHeaders;
use crate::upstream::Upstream;

/// The body of a response over HTTP/2. A body that breaks off, or of which no piece arrives within the stall timeout,
/// ends with an error. Dropping it before its end resets the stream.
pub struct Http2Body {
    incoming: Incoming,
    upstream: Arc<Upstream>,
    stall_timeout: Duration,
    alarm: Option<Alarm>,
    is_waiting: bool,
    has_failed: bool,
    /// Until the end of the body, the request is at the backend.
    slot: Option<Slot>,
}

impl Http2Body {
    pub(super) fn new(incoming: Incoming, upstream: Arc<Upstream>, stall_timeout: Duration, slot: Slot) -> Self {
        let slot = Some(slot).filter(|_| !incoming.is_end_stream());
        Self { incoming, upstream, stall_timeout, alarm: None, is_waiting: false, has_failed: false, slot }
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Alarm::at(after(self.stall_timeout)));
        // Time in which no piece was requested does not count.
        if !std::mem::replace(&mut self.is_waiting, true) {
            alarm.set(after(self.stall_timeout));
        }
        alarm.poll(cx)
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.has_failed = true;
        self.slot = None;
        report::incomplete_body(&self.upstream, &error);
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.has_failed {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Pending if this.poll_stalled(cx).is_ready() => this.fail(BodyError::Stalled(this.stall_timeout)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Err(error))) => this.fail(BodyError::Http2(error)),
            Poll::Ready(Some(Ok(mut frame))) => {
                this.is_waiting = false;
                if let Some(trailers) = frame.trailers_mut() {
                    clean(trailers);
                }
                if this.incoming.is_end_stream() {
                    this.slot = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.slot = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.has_failed && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for Http2Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Body").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

/// The head of a response as its sender gets it, and the body.
pub(super) fn split(response: Response<Incoming>) -> (response::Parts, Incoming) {
    let (received, body) = response.into_parts();
    let (mut head, ()) = Response::new(()).into_parts();
    (head.status, head.headers, head.version) = (received.status, received.headers, Version::HTTP_11);
    clean(&mut head.headers);
    (head, body)
}

/// Removes the headers, or trailers, that a sender must not get.
fn clean(headers: &mut HeaderMap) {
    let sender = SenderHeaders::new(&[]);
    let removed: Vec<_> = headers.keys().filter(|name| !sender.pass(name)).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
}
