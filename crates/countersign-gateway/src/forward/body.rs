//! The body of a backend's response on its way to the sender.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::connection::Connection;
use super::in_flight::Slot;
use super::{pool, report, response};
use crate::upstream::Upstream;

/// A backend's response body, passed on piece by piece as the sender reads it.
///
/// It drives the connection that it arrives on, and returns it to the pool at its end. A body that breaks off ends with
/// an error, never like a complete one. So does a body of which no piece arrives within the stall timeout. Dropping the
/// body before its end closes the connection.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    /// `None` after the end of the body. Boxed, because most bodies are complete when their head arrives.
    open: Option<Box<Open>>,
    has_failed: bool,
}

/// The parts that a body needs until its end.
struct Open {
    connection: Connection,
    upstream: Arc<Upstream>,
    max_idle: Duration,
    stall_timeout: Duration,
    /// Until the end of the body, the request is at the backend.
    _slot: Slot,
    /// The timer of the stall timeout, once one was needed. Reused from one wait to the next.
    stalled: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl UpstreamBody {
    /// The body that arrives on this connection.
    ///
    /// `stall_timeout` is the maximum time between two pieces. Afterwards the connection may be idle for `max_idle`. The
    /// request keeps its `slot` until then.
    pub(super) fn new(
        incoming: Incoming,
        connection: Connection,
        upstream: Arc<Upstream>,
        stall_timeout: Duration,
        max_idle: Duration,
        slot: Slot,
    ) -> Self {
        let open =
            Open { connection, upstream, max_idle, stall_timeout, _slot: slot, stalled: None, is_waiting: false };
        if incoming.is_end_stream() {
            open.finish();
            return Self { incoming, open: None, has_failed: false };
        }
        Self { incoming, open: Some(Box::new(open)), has_failed: false }
    }

    fn finish(&mut self) {
        if let Some(open) = self.open.take() {
            open.finish();
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.has_failed = true;
        if let Some(open) = self.open.take() {
            report::incomplete_body(&open.upstream, &error);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(open) = &mut this.open else { return Poll::Ready(None) };
        let mut polled = Pin::new(&mut this.incoming).poll_frame(cx);
        if polled.is_pending() {
            let has_ended = open.connection.drive(cx).is_ready();
            polled = Pin::new(&mut this.incoming).poll_frame(cx);
            if polled.is_pending() && (has_ended || open.poll_stalled(cx).is_ready()) {
                let error = if has_ended { BodyError::Closed } else { BodyError::Stalled(open.stall_timeout) };
                return this.fail(error);
            }
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => this.fail(BodyError::Broken(error)),
            Poll::Ready(Some(Ok(frame))) => {
                open.is_waiting = false;
                if this.incoming.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(without_forged_trailers(frame))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none() && !self.has_failed
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn without_forged_trailers(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        response::clean(trailers);
    }
    frame
}

impl Open {
    /// Ready once no piece has arrived for too long. Time in which no piece was requested does not count.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stalled = match &mut self.stalled {
            Some(stalled) => {
                if !self.is_waiting {
                    stalled.as_mut().set(sleep(self.stall_timeout));
                }
                stalled
            }
            none => none.insert(Box::pin(sleep(self.stall_timeout))),
        };
        self.is_waiting = true;
        stalled.as_mut().poll(cx)
    }

    fn finish(self) {
        if let Some(connection) = self.connection.into_idle() {
            pool::put(self.upstream.address, connection, self.max_idle);
        }
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

/// Why a response body broke off. The sender's connection, or stream, is then reset.
#[derive(Debug)]
pub enum BodyError {
    /// The upstream closed the connection, or the body does not match its framing.
    Broken(hyper::Error),
    /// The connection ended.
    Closed,
    /// No piece arrived within this time.
    Stalled(Duration),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(_) => f.write_str("the upstream's response body is incomplete or invalid"),
            Self::Closed => f.write_str("the connection to the upstream ended in the middle of a response body"),
            Self::Stalled(timeout) => {
                write!(f, "no part of the upstream's response body arrived for {timeout:?} (`upstream_timeout`)")
            }
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            Self::Closed | Self::Stalled(_) => None,
        }
    }
}
