//! A connection to an upstream, which carries one exchange after another.
//!
//! Only this file, `request.rs`, `head.rs` and `framing.rs` depend on the version of HTTP, which is 1.1.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use super::alarm::Alarm;
use super::failure::Failure;
use super::framing::{Decoder, Malformed, Part};
use super::head::{self, Head, Invalid};
use super::places::{Place, Places};
use super::request::Outgoing;
use crate::upstream::{Stream, Upstream};

/// The room for the bytes of one read. Nearly all responses are shorter.
const READ: usize = 4 * 1024;
/// The room for the bytes of one read in a longer body.
const READ_BODY: usize = 64 * 1024;
/// A body of up to this length is written together with the head.
const MAX_JOINED: usize = 4 * 1024;
/// An idle connection keeps buffers of up to this many bytes.
const MAX_KEPT: usize = 8 * 1024;

/// A connection without a task of its own. It makes progress while the task of its current request polls it.
///
/// It is boxed, because it moves from the pool to a request, to a response body, and back.
pub(super) struct Connection {
    stream: Stream,
    /// The part of the request that was not written yet. Its buffer is used again for the next one.
    out: Outbox,
    /// The bytes that have arrived and were not taken yet.
    arrived: BytesMut,
    /// Bounds the wait for the head, and then for each part of the body.
    alarm: Alarm,
    traffic: Traffic,
    /// Kept until the connection is dropped.
    _place: Place,
}

/// What happened since the current request began.
#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    /// Whether a byte of the request was written.
    sent: bool,
    /// Whether a byte of the response arrived.
    received: bool,
    /// Whether the other side closed the connection: end of file, reset, or broken pipe.
    closed: bool,
}

impl Connection {
    /// Waits for a place and then connects, for at most `timeout` each, and in all until `deadline`.
    pub(super) async fn open(
        upstream: &Upstream,
        places: &Places,
        timeout: Duration,
        deadline: Instant,
    ) -> io::Result<Box<Self>> {
        let place = places.take(timeout).await?;
        let stream = tokio::time::timeout(timeout, upstream.connect()).await.map_err(|_| {
            io::Error::new(ErrorKind::TimedOut, format!("no connection within {timeout:?} (`connect_timeout`)"))
        })??;
        Ok(Box::new(Self {
            stream,
            out: Outbox::default(),
            arrived: BytesMut::new(),
            alarm: Alarm::at(deadline),
            traffic: Traffic::default(),
            _place: place,
        }))
    }

    /// Sends a request and waits for the head of its response, until `deadline`. The response's body makes progress
    /// only while it is [polled](Self::poll_part).
    pub(super) async fn exchange(
        mut self: Box<Self>,
        request: &Outgoing,
        upstream: &Upstream,
        deadline: Instant,
    ) -> Result<(Head, Box<Self>), ExchangeError> {
        self.traffic = Traffic::default();
        self.alarm.set(deadline);
        self.out.put(request, upstream);
        let mut interim = 0;
        match poll_fn(|cx| self.poll_head(&mut interim, cx)).await {
            Ok(head) => Ok((head, self)),
            Err(cause) => Err(ExchangeError { traffic: self.traffic, cause }),
        }
    }

    fn poll_head(&mut self, interim: &mut usize, cx: &mut Context<'_>) -> Poll<Result<Head, Cause>> {
        self.write(cx).map_err(Cause::Io)?;
        loop {
            if let Some(head) = head::take(&mut self.arrived, interim).map_err(Cause::Invalid)? {
                return Poll::Ready(Ok(head));
            }
            match self.poll_read(READ, cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Cause::Closed)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Cause::Io(error))),
                Poll::Pending => break,
            }
        }
        self.alarm.poll(cx).map(|()| Err(Cause::TooSlow))
    }

    /// Takes all of a body with a known length if it has arrived.
    pub(super) fn take_whole(&mut self, body: &mut Decoder) -> Bytes {
        match body.length() {
            Some(length) if length > 0 && length <= self.arrived.len() as u64 => match body.next(&mut self.arrived) {
                Ok(Part::Data(data)) => data,
                _ => Bytes::new(),
            },
            _ => Bytes::new(),
        }
    }

    /// The next part of the response's body. Ready with an error if the upstream closes the connection before its
    /// end, or once the [wait](Self::wait_until) has lasted too long.
    pub(super) fn poll_part(&mut self, body: &mut Decoder, cx: &mut Context<'_>) -> Poll<Result<Part, PartError>> {
        loop {
            match body.next(&mut self.arrived).map_err(PartError::Malformed)? {
                Part::Missing => {}
                part => return Poll::Ready(Ok(part)),
            }
            self.write(cx).map_err(PartError::Io)?;
            match self.poll_read(READ_BODY, cx) {
                Poll::Ready(Ok(0)) if *body == Decoder::UntilClose => return Poll::Ready(Ok(Part::End)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(PartError::Closed)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(PartError::Io(error))),
                Poll::Pending => return self.alarm.poll(cx).map(|()| Err(PartError::TooSlow)),
            }
        }
    }

    /// The wait for the next part of a body ends then.
    pub(super) fn wait_until(&mut self, deadline: Instant) {
        self.alarm.set(deadline);
    }

    /// Whether another request can be sent: the previous one was written, no byte has arrived since its response, and
    /// the upstream has not closed the connection.
    pub(super) fn is_idle(&mut self) -> bool {
        // The runtime knows if something arrived, so no system call is made if nothing did. Nobody is woken for an idle
        // connection.
        let mut cx = Context::from_waker(Waker::noop());
        !self.traffic.closed
            && self.out.is_empty()
            && self.arrived.is_empty()
            && self.poll_read(READ, &mut cx).is_pending()
    }

    /// Frees the buffers that were needed for an unusually long request or response.
    pub(super) fn shrink(&mut self) {
        if self.out.head.capacity() > MAX_KEPT {
            self.out = Outbox::default();
        }
        if self.arrived.capacity() > MAX_KEPT {
            self.arrived = BytesMut::new();
        }
    }

    /// Writes as much of the request as possible.
    ///
    /// A backend may respond before it has read the whole request, and close. Its response can still be read
    /// then, so a write that finds the connection closed is no error: the read side ends the exchange, with the
    /// response or with the end of the stream.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.out.poll_write(Pin::new(&mut self.stream), cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(_)) => self.traffic.sent = true,
                Poll::Ready(Err(error)) if is_close(&error) => {
                    self.traffic.closed = true;
                    self.out = Outbox::default();
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(error)) if !is_close(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads once. Zero means that the upstream has closed the connection.
    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.arrived.capacity() - self.arrived.len() < READ / 4 {
            self.arrived.reserve(room);
        }
        let outcome = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.arrived));
        match &outcome {
            Ok(0) => self.traffic.closed = true,
            Ok(_) => self.traffic.received = true,
            Err(error) => self.traffic.closed |= is_close(error),
        }
        Poll::Ready(outcome)
    }
}

/// Whether it means that the other side closed the connection.
fn is_close(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            // TLS without an announcement of its end.
            | ErrorKind::UnexpectedEof
    )
}

/// A request on its way to the stream.
#[derive(Debug, Default)]
struct Outbox {
    /// The head, and a short body.
    head: Vec<u8>,
    /// A longer body.
    body: Bytes,
    /// The part of the head that was written.
    written: usize,
}

impl Outbox {
    fn put(&mut self, request: &Outgoing, upstream: &Upstream) {
        self.head.clear();
        self.written = 0;
        request.write_head(upstream, &mut self.head);
        if request.body.len() <= MAX_JOINED {
            self.head.extend_from_slice(&request.body);
        } else {
            self.body = request.body.clone();
        }
    }

    fn is_empty(&self) -> bool {
        self.written == self.head.len() && self.body.is_empty()
    }

    fn poll_write(&mut self, stream: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let head = &self.head[self.written..];
        let written = ready!(match (head.is_empty(), self.body.is_empty()) {
            (_, true) => stream.poll_write(cx, head),
            (true, _) => stream.poll_write(cx, &self.body),
            _ => stream.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(&self.body)]),
        })?;
        let of_head = written.min(head.len());
        self.written += of_head;
        self.body.advance(written - of_head);
        Poll::Ready(Ok(written))
    }
}

/// Why there is no head of a response.
#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Invalid(Invalid),
    Closed,
    TooSlow,
}

/// An exchange that failed before the head of a response.
#[derive(Debug)]
pub(super) struct ExchangeError {
    traffic: Traffic,
    cause: Cause,
}

impl ExchangeError {
    /// Whether nothing of the request was written, so that no backend has seen it.
    pub(super) fn is_unsent(&self) -> bool {
        !self.traffic.sent
    }

    /// Whether the upstream closed the connection without a byte of a response.
    pub(super) fn is_silent_close(&self) -> bool {
        self.traffic.closed && !self.traffic.received
    }

    /// Whether the head did not arrive in time.
    pub(super) fn is_too_slow(&self) -> bool {
        matches!(self.cause, Cause::TooSlow)
    }

    /// The failure that the sender is told.
    pub(super) fn failure(&self) -> Failure {
        match self.cause {
            Cause::TooSlow => Failure::Timeout,
            _ if self.traffic.received => Failure::Malformed,
            _ => Failure::Unreachable,
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&self.cause, self.traffic.received, self.traffic.closed) {
            (Cause::TooSlow, ..) => "no complete response head arrived in time (`upstream_timeout`)",
            (_, true, true) => "the upstream closed the connection in the middle of a response head",
            (_, true, false) => "the upstream's response is not valid",
            (_, false, true) => "the upstream closed the connection without a response",
            (_, false, false) => "the connection to the upstream failed",
        })
    }
}

impl Error for ExchangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::Invalid(error) => Some(error),
            Cause::Closed | Cause::TooSlow => None,
        }
    }
}

/// Why the next part of a body did not arrive.
#[derive(Debug)]
pub(super) enum PartError {
    Io(io::Error),
    Malformed(Malformed),
    Closed,
    TooSlow,
}
