//! The body of a backend's response on its way to the sender.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::alarm::after;
use super::connection::{Connection, PartError};

use super::framing::{Decoder, Malformed, Part};
use super::in_flight::Slot;
use super::{pool, report};
use crate::upstream::Upstream;

/// A backend's response body, passed on piece by piece as the sender reads it.
///
/// It reads from the connection that it arrives on, and returns it to the pool at its end. A body that breaks off ends
/// with an error, never like a complete one. So does a body of which no piece arrives within the stall timeout.
/// Dropping the body before its end closes the connection.
#[derive(Debug)]
pub struct UpstreamBody {
    /// The data that arrived together with the head, up to the end of the body.
    arrived: Bytes,
    /// `None` after the end of the body. Boxed, because most bodies are complete when their head arrives.
    open: Option<Box<Open>>,
    has_failed: bool,
}

/// The parts that a body needs until its end.
struct Open {
    connection: Box<Connection>,
    decoder: Decoder,
    /// Whether another request may follow on the connection.
    persists: bool,
    upstream: Arc<Upstream>,
    max_idle: Duration,
    stall_timeout: Duration,
    /// Until the end of the body, the request is at the backend.
    _slot: Slot,
    is_waiting: bool,
}

/// How long the connection that a body arrives on may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The maximum time between two pieces.
    pub(super) stall: Duration,
    /// The maximum time without a request, after the body.
    pub(super) idle: Duration,
}

impl UpstreamBody {
    /// The body that arrives on this connection. The request keeps its `slot` until its end.
    pub(super) fn new(
        mut decoder: Decoder,
        persists: bool,
        mut connection: Box<Connection>,
        upstream: Arc<Upstream>,
        limits: Limits,
        slot: Slot,
    ) -> Self {
        let arrived = connection.take_whole(&mut decoder);
        let Limits { stall: stall_timeout, idle: max_idle } = limits;
        let open =
            Open { connection, decoder, persists, upstream, max_idle, stall_timeout, _slot: slot, is_waiting: false };
        if decoder.is_at_end() {
            open.finish();
            return Self { arrived, open: None, has_failed: false };
        }
        Self { arrived, open: Some(Box::new(open)), has_failed: false }
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
        if !this.arrived.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.arrived)))));
        }
        let Some(open) = &mut this.open else { return Poll::Ready(None) };
        let part = match ready!(open.poll_part(cx)) {
            Ok(part) => part,
            Err(error) => {
                let error = BodyError::of(error, open.stall_timeout);
                return this.fail(error);
            }
        };
        if open.decoder.is_at_end() {
            this.finish();
        }
        Poll::Ready(match part {
            Part::Data(data) => Some(Ok(Frame::data(data))),
            Part::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            Part::End | Part::Missing => {
                this.finish();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.arrived.is_empty() && self.open.is_none() && !self.has_failed
    }

    fn size_hint(&self) -> SizeHint {
        let arrived = self.arrived.len() as u64;
        match &self.open {
            None => SizeHint::with_exact(arrived),
            Some(open) => match open.decoder.length() {
                Some(length) => SizeHint::with_exact(length),
                None => SizeHint::default(),
            },
        }
    }
}

impl Open {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, PartError>> {
        // Time in which no piece was requested does not count.
        if !self.is_waiting {
            self.connection.wait_until(after(self.stall_timeout));
        }
        let part = self.connection.poll_part(&mut self.decoder, cx);
        self.is_waiting = part.is_pending();
        part
    }

    fn finish(self) {
        let Self { mut connection, upstream, .. } = self;
        if self.persists && connection.is_idle() {
            connection.shrink();
            pool::put(upstream.key(), connection, self.max_idle);
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
    /// The connection failed.
    Io(io::Error),
    /// The body does not match its framing.
    Malformed(Malformed),
    /// The upstream closed the connection.
    Closed,
    /// The stream or its connection failed, with HTTP/2.
    Http2(hyper::Error),
    /// No piece arrived within this time.
    Stalled(Duration),
}

impl BodyError {
    fn of(error: PartError, stall_timeout: Duration) -> Self {
        match error {
            PartError::Io(error) => Self::Io(error),
            PartError::Malformed(error) => Self::Malformed(error),
            PartError::Closed => Self::Closed,
            PartError::TooSlow => Self::Stalled(stall_timeout),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) | Self::Http2(_) => {
                f.write_str("the connection to the upstream failed in the middle of a response body")
            }
            Self::Malformed(_) => f.write_str("the upstream's response body is not valid"),
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
            Self::Io(error) => Some(error),
            Self::Malformed(error) => Some(error),
            Self::Http2(error) => Some(error),
            Self::Closed | Self::Stalled(_) => None,
        }
    }
}
