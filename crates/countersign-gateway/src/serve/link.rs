//! The stream below hyper. It records reads and writes, and closes the connection.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign_tower::{
    BodyBudget,
    read::{OverBudget, Reservation},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::MAX_HEAD;
use super::discard::{DISCARD, DISCARD_TOTAL};
use super::scan::{Head, Scan};
use super::stream::Stream;

/// A stream that hyper reads and writes, and the connection inspects between polls. Only one task uses it.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    stream: Stream,
    /// The bytes that were read to detect the protocol.
    early: Bytes,
    /// For HTTP/1.1 only.
    heads: Option<Heads>,
    blocked: Option<Instant>,
    lingering: Option<Lingering>,
}

/// The state of a link, for its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    /// How many bytes of an incomplete head have arrived.
    pub(super) partial_head: usize,
    /// Whether the budget has no room for a head.
    pub(super) is_over_budget: bool,
    /// When the first byte of an incomplete head arrived.
    pub(super) head_since: Option<Instant>,
    /// Since when the socket accepts no more bytes.
    pub(super) blocked_since: Option<Instant>,
    /// When the write half was shut down.
    pub(super) lingering_since: Option<Instant>,
}

/// The heads that hyper has read but not yet passed to the service.
#[derive(Debug)]
struct Heads {
    scan: Scan,
    held: Reservation,
    /// Whether one of them did not fit into the budget.
    over: bool,
    since: Option<Instant>,
}

impl Heads {
    fn is_rejected(&self) -> bool {
        let partial = self.scan.partial_bytes();
        partial > MAX_HEAD || (partial > 0 && self.over)
    }
}

#[derive(Debug)]
struct Lingering {
    since: Instant,
    discarded: usize,
    /// Whether a request is incomplete.
    waits: bool,
}

impl Link {
    /// With a `budget`, the heads of HTTP/1.1 requests are parsed and counted against it.
    pub(super) fn new(stream: Stream, early: Bytes, budget: Option<&BodyBudget>) -> Result<Self, OverBudget> {
        let heads = match budget {
            Some(budget) => Some(Heads { scan: Scan::new(), held: budget.reserve(0)?, over: false, since: None }),
            None => None,
        };
        Ok(Self(Arc::new(Mutex::new(State { stream, early, heads, blocked: None, lingering: None }))))
    }

    /// The head of the request that hyper passes to the service, and its reservation.
    pub(super) fn next_head(&self) -> (Head, Result<Reservation, OverBudget>) {
        let mut state = self.lock();
        let Some(heads) = &mut state.heads else { return (Head::default(), Err(OverBudget)) };
        let head = heads.scan.next_head();
        let reserved = heads.held.split_off(head.bytes);
        let over = heads.over;
        if heads.scan.head_bytes() == 0 {
            // The rest was reserved for a head that is rejected.
            drop(heads.held.split_off(usize::MAX));
            heads.over = false;
        }
        (head, if over { Err(OverBudget) } else { Ok(reserved) })
    }

    /// Whether the last request that hyper passed to the service has arrived completely.
    pub(super) fn has_whole_request(&self) -> bool {
        self.lock().heads.as_ref().is_none_or(|heads| heads.scan.is_complete())
    }

    /// Whether the framing is unknown from here on, so that the connection must not be reused.
    pub(super) fn is_lost(&self) -> bool {
        self.lock().heads.as_ref().is_some_and(|heads| heads.scan.is_lost())
    }

    pub(super) fn status(&self) -> Status {
        let state = self.lock();
        let heads = state.heads.as_ref();
        Status {
            partial_head: heads.map_or(0, |heads| heads.scan.partial_bytes()),
            is_over_budget: heads.is_some_and(|heads| heads.over),
            head_since: heads.and_then(|heads| heads.since),
            blocked_since: state.blocked,
            lingering_since: state.lingering.as_ref().map(|lingering| lingering.since),
        }
    }

    /// Whether the other side has reset the connection.
    pub(super) fn is_reset(&self) -> bool {
        self.lock().stream.socket().is_reset()
    }

    /// Writes as many bytes as fit into the buffers. Must only be called while hyper has nothing to write.
    pub(super) fn write_now(&self, bytes: &[u8]) {
        self.lock().stream.write_now(bytes);
    }

    /// Makes the connection end with a reset, so that the kernel drops unsent bytes, too.
    pub(super) fn reset(&self) {
        self.lock().stream.socket().reset_at_end();
    }

    /// Whether closing has begun.
    pub(super) fn is_closing(&self) -> bool {
        self.lock().lingering.is_some()
    }

    /// Shuts down the write half, and discards the rest of the request, within limits.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_close(cx)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.note_write(poll))?;
            let waits = self.heads.as_ref().is_some_and(|heads| !heads.scan.is_between_requests());
            self.lingering = Some(Lingering { since: SystemClock.instant(), discarded: 0, waits });
        }
        let Some(lingering) = &mut self.lingering else { return Poll::Ready(Ok(())) };
        let mut room = [const { MaybeUninit::uninit() }; DISCARD];
        while lingering.discarded < DISCARD_TOTAL {
            let mut buffer = ReadBuf::uninit(&mut room);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => lingering.discarded += buffer.filled().len(),
                Poll::Pending if lingering.waits => return Poll::Pending,
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn note_read(&mut self, bytes: &[u8]) {
        let Some(heads) = &mut self.heads else { return };
        heads.scan.read(bytes);
        let more = heads.scan.head_bytes().saturating_sub(heads.held.bytes());
        heads.over |= heads.held.grow(more).is_err();
        if heads.scan.partial_bytes() == 0 {
            heads.since = None;
        } else if heads.since.is_none() {
            heads.since = Some(SystemClock.instant());
        }
    }

    fn note_write<T>(&mut self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match (&poll, self.blocked) {
            (Poll::Pending, None) => self.blocked = Some(SystemClock.instant()),
            (Poll::Ready(_), Some(_)) => self.blocked = None,
            _ => {}
        }
        poll
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.lock();
        if !state.early.is_empty() {
            let here = state.early.len().min(buffer.remaining());
            let early = state.early.split_to(here);
            buffer.put_slice(&early);
            state.note_read(&early);
            return Poll::Ready(Ok(()));
        }
        // The connection ends with the head that is being read. Everything before that head is complete.
        if state.heads.as_ref().is_some_and(Heads::is_rejected) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut state.stream).poll_read(cx, buffer))?;
        state.note_read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let state = &mut *self.lock();
        let poll = Pin::new(&mut state.stream).poll_write(cx, bytes);
        state.note_write(poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.lock();
        let poll = Pin::new(&mut state.stream).poll_write_vectored(cx, slices);
        state.note_write(poll)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.lock();
        // A socket has nothing to flush, and is as blocked as its last write was.
        if matches!(state.stream, Stream::Plain(_)) {
            return Poll::Ready(Ok(()));
        }
        let poll = Pin::new(&mut state.stream).poll_flush(cx);
        state.note_write(poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }
}
