//! A connection, which serves one plain request after the other.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use countersign::clock::{Clock, SystemClock};
use countersign_tower::BodyBudget;
use countersign_tower::detach::DetachFuture;
use http::Response;
use http_body::Body as _;
use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, sleep_until, timeout};
use tokio_util::io::poll_read_buf;
use tokio_util::task::TaskTracker;

use super::body::{Lender, PlainBody};
use super::head::PlainHead;
use super::response::put_head;
use crate::connection::Connection;
use crate::detached::in_tasks;
use crate::serve::activity::CHECK;
use crate::serve::body::RequestBody;
use crate::serve::discard;
use crate::serve::slots::Phase;
use crate::serve::{Ending, OnEnding, Responds, Timeouts};

/// The maximum number of bytes per read before the head is parsed. Nearly all requests are shorter.
const FIRST_READ: usize = 4 * 1024;
/// A body of up to this length is read into one buffer, if it has arrived.
const MAX_WHOLE: u64 = 64 * 1024;
/// Responses are written in pieces of about this many bytes.
const MAX_GATHERED: usize = 16 * 1024;

/// The parts that plain requests of a connection need.
pub(in crate::serve) struct Plain<S> {
    pub(in crate::serve) service: S,
    pub(in crate::serve) on_ending: OnEnding,
    pub(in crate::serve) connection: Connection,
    pub(in crate::serve) timeouts: Timeouts,
    pub(in crate::serve) budget: BodyBudget,
    pub(in crate::serve) tasks: TaskTracker,
    pub(in crate::serve) taken: Counter,
    pub(in crate::serve) buffers: Buffers,
}

/// The buffers of a connection, which are used again for its next request.
#[derive(Debug, Default)]
pub(in crate::serve) struct Buffers {
    read: BytesMut,
    write: BytesMut,
}

/// A connection whose next request is not plain, with the bytes of that request that were read.
pub(in crate::serve) struct Handover {
    pub(in crate::serve) stream: TcpStream,
    pub(in crate::serve) received: Bytes,
    /// Whether a request was served on it.
    pub(in crate::serve) is_used: bool,
}

/// The two halves of a stream.
struct Halves {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

/// What happens after a response.
enum Next {
    /// Another request may follow. Other connections run before it if this one was rejected.
    Request { was_rejected: bool },
    /// The connection must be closed.
    Close { is_unread: bool },
    /// Nothing can be sent or received any more.
    Gone,
}

impl<S: Responds> Plain<S> {
    /// Serves plain requests. `received` is the part of the first that was read. Returns the connection with the first
    /// that is not plain, or `None` at its end.
    pub(in crate::serve) async fn serve(
        &mut self,
        stream: TcpStream,
        mut received: Bytes,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<Handover> {
        let (read, write) = stream.into_split();
        let mut halves = Halves { read, write };
        let (mut limit, mut check) = (pin!(None::<Sleep>), pin!(None::<Sleep>));
        let mut is_used = false;
        loop {
            let head = PlainHead::of(&received);
            let reserved = head.as_ref().and_then(|head| self.budget.reserve(head.bytes).ok());
            let (Some(head), Some(reserved)) = (head, reserved) else {
                let stream = halves.read.reunite(halves.write).ok()?;
                return Some(Handover { stream, received, is_used });
            };
            is_used = true;
            self.taken.inc();
            let rest = received.slice(head.bytes..);
            let next;
            (halves, received, next) = self.exchange(halves, head, rest, phase, check.as_mut()).await?;
            drop(reserved);
            let mut gives_way = !received.is_empty();
            match next {
                Next::Request { was_rejected } => gives_way |= was_rejected,
                Next::Close { is_unread } => {
                    discard::close(halves.read, halves.write, is_unread).await;
                    return None;
                }
                Next::Gone => return None,
            }
            if received.is_empty() {
                received = self.next_request(&mut halves.read, phase, limit.as_mut()).await?;
            }
            if gives_way {
                // A connection has one turn, however many requests it sends at once. Authentic deliveries overtake a flood
                // of forged ones.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Serves one request. Returns the connection with the bytes that were received after the request.
    async fn exchange(
        &mut self,
        halves: Halves,
        head: PlainHead,
        mut rest: Bytes,
        phase: &watch::Receiver<Phase>,
        check: Pin<&mut Option<Sleep>>,
    ) -> Option<(Halves, Bytes, Next)> {
        let PlainHead { request, body: length, closes, .. } = head;
        let arrived = rest.split_to(usize::try_from(length).unwrap_or(rest.len()).min(rest.len()));
        let arrived = read_on(&halves.read, arrived, length);
        let missing = length - arrived.len() as u64;
        let Halves { read, mut write } = halves;
        let (body, source) = if missing == 0 {
            (PlainBody::whole(arrived), Ok(read))
        } else {
            let (body, lender) = PlainBody::partial(arrived, missing, read);
            (body, Err(lender))
        };
        let mut request = request.map(|()| RequestBody::plain(body));
        request.extensions_mut().insert(self.connection.clone());
        let Ok(()) = poll_fn(|cx| self.service.poll_ready(cx)).await;
        // If it is dropped before its end, it continues in its own task.
        let call = DetachFuture::new(self.service.call(request), in_tasks(self.tasks.clone()));
        let Ok(response) = unless_reset(call, write.as_ref(), check).await?;
        let (read, unread) = match source {
            Ok(read) => (Some(read), 0),
            Err(lender) => returned(&lender),
        };
        let closes = closes || phase.borrow().is_ending() || unread > 0 || read.is_none();
        let was_rejected = response.status().is_client_error();
        let written = self.respond(response, closes, &mut write).await;
        let next = match written {
            Ok(()) if closes => Next::Close { is_unread: unread > 0 },
            Ok(()) => Next::Request { was_rejected },
            Err(_) => Next::Gone,
        };
        Some((Halves { read: read?, write }, rest, next))
    }

    async fn respond(
        &mut self,
        response: Response<S::Body>,
        closes: bool,
        write: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut out = std::mem::take(&mut self.buffers.write);
        let written = self.write(response, closes, &mut out, write).await;
        if out.capacity() <= MAX_GATHERED {
            self.buffers.write = out;
        }
        written
    }

    async fn write(
        &self,
        response: Response<S::Body>,
        closes: bool,
        out: &mut BytesMut,
        write: &OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut framing = put_head(&response, closes, out);
        let mut body = pin!(response.into_body());
        while !body.is_end_stream() {
            let ready = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
                Poll::Pending if !out.is_empty() => Poll::Ready(None),
                poll => poll.map(|frame| Some(frame.map(|frame| frame.map_err(drop)))),
            });
            let Some(frame) = ready.await else {
                self.flush(out, write).await?;
                continue;
            };
            match frame {
                None => break,
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        framing.put(&data, out).map_err(|_| broken(write))?;
                    }
                }
                Some(Err(())) => {
                    self.flush(out, write).await?;
                    return Err(broken(write));
                }
            }
            if out.len() >= MAX_GATHERED {
                self.flush(out, write).await?;
            }
        }
        framing.end(out).map_err(|_| broken(write))?;
        self.flush(out, write).await
    }

    async fn flush(&self, out: &mut BytesMut, write: &OwnedWriteHalf) -> io::Result<()> {
        while !out.is_empty() {
            match write.try_write(out) {
                Ok(written) => out.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if timeout(self.timeouts.write, write.writable()).await.is_err() {
                        (self.on_ending)(Ending::WriteTimeout, self.connection.peer_address());
                        // Drop the unsent part, so that the kernel does not keep it either.
                        return Err(broken(write));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns the first bytes of the next request, or `None` if there will be none.
    async fn next_request(
        &mut self,
        read: &mut OwnedReadHalf,
        phase: &mut watch::Receiver<Phase>,
        mut limit: Pin<&mut Option<Sleep>>,
    ) -> Option<Bytes> {
        let since = SystemClock.instant();
        if *phase.borrow() == Phase::Stopping {
            return None;
        }
        if limit.is_none() {
            limit.set(Some(sleep_until(self.idle_until(since, phase).into())));
        }
        let mut limit = limit.as_pin_mut()?;
        loop {
            tokio::select! {
                biased;
                // Waits without a buffer, so that a silent client costs little memory.
                ready = poll_fn(|cx| read.as_ref().poll_read_ready(cx)) => {
                    ready.ok()?;
                    match poll_fn(|cx| Poll::Ready(self.buffers.poll_read(read, cx))).await {
                        Poll::Ready(received) => return received.ok().filter(|received| !received.is_empty()),
                        Poll::Pending => {}
                    }
                }
                changed = phase.changed() => {
                    if changed.is_err() || *phase.borrow() == Phase::Stopping {
                        return None;
                    }
                    limit.as_mut().reset(self.idle_until(since, phase).into());
                }
                // The timer usually still runs from an earlier request. Resetting it for each request would cost more.
                () = limit.as_mut() => {
                    let until = self.idle_until(since, phase);
                    if until <= SystemClock.instant() {
                        (self.on_ending)(Ending::IdleTimeout, self.connection.peer_address());
                        return None;
                    }
                    limit.as_mut().reset(until.into());
                }
            }
        }
    }

    fn idle_until(&self, since: Instant, phase: &watch::Receiver<Phase>) -> Instant {
        since + self.timeouts.at(phase).idle
    }
}

/// The output of `call`, or `None` once the sender has reset its connection.
async fn unless_reset<F: Future>(call: F, stream: &TcpStream, mut check: Pin<&mut Option<Sleep>>) -> Option<F::Output> {
    let mut call = pin!(call);
    loop {
        if check.is_none() {
            check.set(Some(sleep(CHECK)));
        }
        // The timer usually still runs from an earlier request. Resetting it for each request would cost more.
        tokio::select! {
            biased;
            output = call.as_mut() => return Some(output),
            () = check.as_mut().as_pin_mut()? => {
                if !matches!(stream.take_error(), Ok(None)) {
                    return None;
                }
                check.set(None);
            }
        }
    }
}

impl Buffers {
    /// Reads the bytes that are available, without waiting.
    fn poll_read(&mut self, read: &mut OwnedReadHalf, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        // Usually nothing refers to the previous request any more, and its memory is used again.
        self.read.reserve(FIRST_READ);
        ready!(poll_read_buf(Pin::new(read), cx, &mut (&mut self.read).limit(FIRST_READ)))?;
        Poll::Ready(Ok(self.read.split().freeze()))
    }
}

/// The read half of a connection after a request, and the number of unread bytes of its body.
fn returned(lender: &Lender) -> (Option<OwnedReadHalf>, u64) {
    lender.take_back().map_or((None, 0), |(read, unread)| (Some(read), unread))
}

/// The part of a body that has arrived, including bytes that are available by now if it is short.
fn read_on(read: &OwnedReadHalf, arrived: Bytes, length: u64) -> Bytes {
    if length == arrived.len() as u64 || length > MAX_WHOLE {
        return arrived;
    }
    let Ok(length) = usize::try_from(length) else { return arrived };
    let mut whole = BytesMut::with_capacity(length);
    whole.extend_from_slice(&arrived);
    while whole.len() < length {
        let missing = length - whole.len();
        if !matches!(read.try_read_buf(&mut (&mut whole).limit(missing)), Ok(read) if read > 0) {
            break;
        }
    }
    whole.freeze()
}

/// Ends an incomplete response so that the client notices.
fn broken(write: &OwnedWriteHalf) -> io::Error {
    let _ = write.as_ref().set_zero_linger();
    io::ErrorKind::BrokenPipe.into()
}
