//! The life of a connection.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use countersign::clock::{Clock, SystemClock};
use countersign_tower::BodyBudget;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tokio_util::task::TaskTracker;

use super::activity::{Activity, Timeouts};
use super::client_slots::{ClientSlot, ClientSlots, Full};
use super::discard::LINGER;
use super::link::Link;
use super::plain::{Buffers, Handover, Plain};
use super::preamble::{Failure, Preamble, Progress};
use super::service::Requests;
use super::slots::{Phase, Slot};
use super::socket::Socket;
use super::stream::Stream;
use super::streams::Streams;
use super::watch::{Ended, Watch};
use super::{Ending, MAX_HEAD, OnEnding, Responds};
use crate::connection::{Address, Connection};

/// The first bytes of every HTTP/2 connection.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The maximum size of an HTTP/2 header list, in bytes.
const MAX_HEAD_LIST: u32 = 64 * 1024;
/// The maximum number of concurrent requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// The maximum number of streams that a client has opened and reset, and the server has not processed.
const MAX_PENDING_RESETS: usize = 20;
/// The maximum number of streams that the server resets on one connection. Then it closes the connection.
const MAX_LOCAL_RESETS: usize = 1024;
/// The maximum number of buffered response bytes per HTTP/2 stream.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// The most bytes that are read before it is known what speaks on a connection.
const FIRST_READ: usize = 4 * 1024;

/// Serves HTTP/1.1 and HTTP/2 on accepted streams.
pub struct Server<S> {
    service: S,
    on_ending: OnEnding,
    timeouts: Timeouts,
    budget: BodyBudget,
    tasks: TaskTracker,
    http1: http1::Builder,
    clients: Option<Arc<ClientSlots>>,
    /// Counts the requests that the accelerator serves, if it is on.
    accelerated: Option<Counter>,
}

impl<S: Responds> Server<S> {
    /// Serves with this service, and calls `on_ending` for requests and connections that do not reach it, with
    /// the address of the client. Heads count
    /// against `budget`. If a client disconnects, the rest of its request runs as one of `tasks`.
    pub fn new(
        service: S,
        on_ending: impl Fn(Ending, Address) + Send + Sync + 'static,
        timeouts: Timeouts,
        budget: &BodyBudget,
        tasks: &TaskTracker,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        // Above our own limit, so that hyper's does not apply: it has a response of its own. A read is never longer
        // than the bytes that were read before it.
        http1.half_close(true).header_read_timeout(None).max_buf_size(3 * MAX_HEAD);
        let on_ending: OnEnding = Arc::new(on_ending);
        Self {
            service,
            on_ending,
            timeouts,
            budget: budget.clone(),
            tasks: tasks.clone(),
            http1,
            clients: None,
            accelerated: None,
        }
    }

    /// Serves plain requests without hyper, and counts them.
    #[must_use]
    pub fn accelerate(mut self, counter: Counter) -> Self {
        self.accelerated = Some(counter);
        self
    }

    /// Limits the connections of each client.
    #[must_use]
    pub fn limit_clients(mut self, clients: Arc<ClientSlots>) -> Self {
        self.clients = Some(clients);
        self
    }

    /// Serves a stream of a listener with this preamble until it ends.
    pub async fn serve(self: Arc<Self>, stream: Socket, peer: Address, preamble: Preamble, slot: Slot) {
        let accepted = SystemClock.instant();
        let mut phase = slot.watch();
        let (mut stream, peer, client_slot) = if preamble.is_empty() {
            let Ok(client_slot) = self.admit(peer) else { return (self.on_ending)(Ending::ClientConnections, peer) };
            (Stream::Plain(stream), peer, client_slot)
        } else {
            // Boxed, so that a connection without a preamble uses less memory.
            let passing = Box::pin(self.pass(&preamble, stream, peer, accepted, &mut phase));
            let Some(passed) = passing.await else { return };
            passed
        };
        let Some(received) = self.first_bytes(&mut stream, peer, accepted, &mut phase).await else { return };
        let stream = match (stream, Ending::of_first_bytes(&received)) {
            (Stream::Plain(socket), Some(ending)) => {
                (self.on_ending)(ending, peer);
                // Boxed, so that a connection that goes on uses less memory.
                return Box::pin(socket.end_with(&ending.to_http1())).await;
            }
            (stream, _) => stream,
        };
        let connection = Connection::from_client(peer, stream.scheme(), stream.client());
        // Boxed, so that a connection without a request uses less memory.
        let next = match stream {
            Stream::Plain(Socket::Tcp(stream)) => {
                let handover = Handover { stream, received, is_used: false };
                let handover = Box::pin(self.serve_plain(handover, &connection, &mut phase)).await;
                handover.map(|Handover { stream, received, is_used }| (Stream::Plain(stream.into()), received, is_used))
            }
            stream => Some((stream, received, false)),
        };
        if let Some((stream, received, is_used)) = next {
            // After a request of HTTP/1.1, a connection stays with it.
            let is_http2 = !is_used && received.starts_with(PREFACE);
            let since = if is_used { SystemClock.instant() } else { accepted };
            let activity = Activity::new(since);
            if is_used {
                activity.set_begun();
            }
            Box::pin(self.serve_http(stream, received, is_http2, activity, connection, phase)).await;
        }
        drop((slot, client_slot));
    }

    /// A place for a connection of this client.
    fn admit(&self, peer: Address) -> Result<ClientSlot, Full> {
        self.clients.as_ref().map_or(Ok(ClientSlot::default()), |clients| clients.take(peer))
    }

    /// The stream and the address of the client after what precedes HTTP. `None` if the connection has ended.
    async fn pass(
        &self,
        preamble: &Preamble,
        stream: Socket,
        peer: Address,
        accepted: Instant,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<(Stream, Address, ClientSlot)> {
        let mut progress = Progress::default();
        let reading = preamble.read(stream, peer, &mut progress, |peer| Ok(self.admit(peer)?));
        match self.until_head_timeout(accepted, phase, reading).await {
            Ok(Ok(passed)) => return Some(passed),
            Ok(Err(Failure::Counted(ending))) => (self.on_ending)(ending, peer),
            Ok(Err(Failure::Plain(socket, peer))) => {
                let ending = Ending::PlainOnTls;
                (self.on_ending)(ending, peer);
                // Boxed, so that a handshake uses less memory.
                Box::pin(socket.end_with(&ending.to_http1())).await;
            }
            Err(Cut::Late) => (self.on_ending)(progress.late(), peer),
            Ok(Err(Failure::Gone)) | Err(Cut::Stopping) => {}
        }
        None
    }

    /// The first bytes of a connection, as many as are needed to detect its protocol.
    async fn first_bytes(
        &self,
        stream: &mut Stream,
        peer: Address,
        accepted: Instant,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<Bytes> {
        let mut early = BytesMut::new();
        match self.until_head_timeout(accepted, phase, read_first(stream, &mut early)).await {
            Ok(is_known) => is_known.then(|| early.freeze()),
            Err(Cut::Stopping) => None,
            Err(Cut::Late) => {
                (self.on_ending)(if early.is_empty() { Ending::IdleTimeout } else { Ending::HeadTimeout }, peer);
                None
            }
        }
    }

    /// Does this work before the first head, unless it takes too long or the process stops.
    async fn until_head_timeout<F: Future>(
        &self,
        accepted: Instant,
        phase: &mut watch::Receiver<Phase>,
        work: F,
    ) -> Result<F::Output, Cut> {
        if *phase.borrow() == Phase::Stopping {
            return Err(Cut::Stopping);
        }
        let mut work = pin!(work);
        let mut limit = pin!(sleep_until((accepted + self.timeouts.at(phase).head).into()));
        loop {
            tokio::select! {
                output = work.as_mut() => return Ok(output),
                changed = phase.changed() => {
                    if changed.is_err() || *phase.borrow() == Phase::Stopping {
                        return Err(Cut::Stopping);
                    }
                    limit.as_mut().reset((accepted + self.timeouts.at(phase).head).into());
                }
                () = limit.as_mut() => return Err(Cut::Late),
            }
        }
    }

    /// Serves plain requests, if that is on. Returns the connection with the first request that is not plain.
    async fn serve_plain(
        &self,
        handover: Handover,
        connection: &Connection,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<Handover> {
        let Some(taken) = &self.accelerated else { return Some(handover) };
        let mut plain = Plain {
            service: self.service.clone(),
            on_ending: Arc::clone(&self.on_ending),
            connection: connection.clone(),
            timeouts: self.timeouts,
            budget: self.budget.clone(),
            tasks: self.tasks.clone(),
            taken: taken.clone(),
            buffers: Buffers::default(),
        };
        plain.serve(handover.stream, handover.received, phase).await
    }

    async fn serve_http(
        &self,
        stream: Stream,
        received: Bytes,
        is_http2: bool,
        activity: Arc<Activity>,
        connection: Connection,
        mut phase: watch::Receiver<Phase>,
    ) {
        let requests = Requests {
            service: self.service.clone(),
            on_ending: Arc::clone(&self.on_ending),
            activity: Arc::clone(&activity),
            connection: connection.clone(),
            tasks: self.tasks.clone(),
            phase: phase.clone(),
        };
        let Ok(link) = Link::new(stream, received, (!is_http2).then_some(&self.budget)) else { return };
        let io = TokioIo::new(link.clone());
        let mut watch = Watch::new(self.timeouts, &link, &activity, &mut phase, !is_http2);
        let peer = connection.peer_address();
        let on_idle = || (self.on_ending)(Ending::IdleTimeout, peer);
        let ended = if is_http2 {
            let streams = Streams::new(&self.on_ending, peer, self.timeouts.write);
            let mut http2 = http2::Builder::new(streams.clone());
            http2
                .timer(TokioTimer::new())
                .max_header_list_size(MAX_HEAD_LIST)
                .max_concurrent_streams(MAX_STREAMS)
                .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
                .max_local_error_reset_streams(MAX_LOCAL_RESETS)
                .max_send_buf_size(MAX_SEND_BUFFER)
                .keep_alive_interval(self.timeouts.head);
            let budget = self.budget.clone();
            let service = service_fn(move |request| requests.http2(&budget, request, &streams.progress()));
            let serving = pin!(http2.serve_connection(io, service));
            watch.until_end(serving, http2::Connection::graceful_shutdown, on_idle).await
        } else {
            let link = link.clone();
            let service = service_fn(move |request| requests.http1(&link, request));
            let serving = pin!(self.http1.serve_connection(io, service));
            watch.until_end(serving, http1::Connection::graceful_shutdown, on_idle).await
        };
        self.end(&link, &connection, ended).await;
    }

    async fn end(&self, link: &Link, connection: &Connection, ended: Ended) {
        let on_ending = |ending| (self.on_ending)(ending, connection.peer_address());
        match ended {
            // After a response to `CONNECT` or `Upgrade`, hyper leaves the connection open for an upgrade. The gateway
            // does not upgrade, so it closes it.
            Ended::Hyper(Ok(())) if !link.is_closing() => {
                let _ = timeout(LINGER, poll_fn(|cx| link.poll_close(cx))).await;
            }
            Ended::Hyper(Ok(())) | Ended::Closed => {}
            Ended::Hyper(Err(error)) => {
                if error.is_parse() {
                    let too_large = error.is_parse_too_large();
                    on_ending(if too_large { Ending::HeadTooLarge } else { Ending::Malformed });
                }
                tracing::debug!(peer = %connection.peer(), %error, "the connection ended early");
            }
            Ended::Unread => {
                on_ending(Ending::WriteTimeout);
                link.reset();
            }
            Ended::Rejected(ending) => {
                on_ending(ending);
                link.write_now(&ending.to_http1());
                let _ = timeout(LINGER, poll_fn(|cx| link.poll_close(cx))).await;
            }
        }
    }
}

/// Why a connection ends before its first head.
enum Cut {
    /// The process stops.
    Stopping,
    /// It took too long.
    Late,
}

/// Reads until the protocol is known. Returns false at the end of the stream.
async fn read_first(stream: &mut Stream, early: &mut BytesMut) -> bool {
    while matches!(stream.read_some::<FIRST_READ>(early).await, Ok(1..)) {
        let known = early.len().min(PREFACE.len());
        if known == PREFACE.len() || early[..known] != PREFACE[..known] {
            return true;
        }
    }
    false
}
