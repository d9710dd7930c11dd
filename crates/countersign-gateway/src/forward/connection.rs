//! A connection to an upstream, which carries one exchange after another.
//!
//! Only this file depends on the protocol that upstreams speak, which is HTTP/1.1 over TCP.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::failure::Failure;
use super::places::{Place, Places};
use super::transport::{HEAD_LIMIT, Traffic, Transport};

/// The maximum number of headers in a response.
const MAX_HEADERS: usize = 512;

/// A connection without a task of its own. It makes progress while the task of its current request polls it.
pub(super) struct Connection {
    driver: Box<http1::Connection<TokioIo<Transport>, Full<Bytes>>>,
    requests: http1::SendRequest<Full<Bytes>>,
    traffic: Arc<Traffic>,
    /// Kept until the connection is dropped.
    _place: Place,
}

impl Connection {
    /// Waits for a place and then connects, for at most `timeout` each.
    pub(super) async fn open(address: SocketAddr, places: &Places, timeout: Duration) -> io::Result<Self> {
        let place = places.take(timeout).await?;
        let stream = tokio::time::timeout(timeout, TcpStream::connect(address)).await.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {timeout:?} (`connect_timeout`)"))
        })??;
        stream.set_nodelay(true)?;
        let traffic = Arc::new(Traffic::default());
        let transport = TokioIo::new(Transport::new(stream, Arc::clone(&traffic)));
        let handshake = http1::Builder::new()
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .max_headers(MAX_HEADERS)
            .max_header_size(HEAD_LIMIT)
            .max_buf_size(HEAD_LIMIT)
            .handshake(transport);
        let (requests, driver) = handshake.await.map_err(io::Error::other)?;
        Ok(Self { driver: Box::new(driver), requests, traffic, _place: place })
    }

    /// Sends a request and waits for the head of its response. The response's body makes progress only while
    /// the connection is [driven](Self::drive).
    pub(super) async fn exchange(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Self), ExchangeError> {
        self.traffic.begin();
        let mut response = pin!(self.requests.try_send_request(request));
        let outcome = poll_fn(|cx| {
            let driven = self.drive(cx);
            match response.as_mut().poll(cx) {
                Poll::Ready(outcome) => Poll::Ready(outcome.map_err(|mut error| {
                    drop(error.take_message());
                    Some(error.into_error())
                })),
                // If the connection ended without a result for the request, the request was never started.
                Poll::Pending => driven.map(|ended| Err(ended.err())),
            }
        });
        let outcome = outcome.await;
        self.traffic.end_head();
        match outcome {
            Ok(response) => Ok((response, self)),
            Err(error) => Err(ExchangeError {
                sent: self.traffic.sent(),
                received: self.traffic.received(),
                closed: self.traffic.closed(),
                error,
            }),
        }
    }

    /// Reads and writes as far as possible. Ready once the connection has ended.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Pin::new(&mut self.driver).poll(cx)
    }

    /// Returns the connection if it is ready for another exchange: both messages are complete, nothing else has
    /// arrived, and the upstream has neither closed it nor announced that it will.
    pub(super) fn into_idle(mut self) -> Option<Self> {
        // No task is woken for an idle connection. It is checked when it is used again.
        let mut cx = Context::from_waker(Waker::noop());
        (self.drive(&mut cx).is_pending() && self.requests.is_ready()).then_some(self)
    }
}

/// An exchange that failed before the head of a response.
#[derive(Debug)]
pub(super) struct ExchangeError {
    /// Whether a byte of the request was written.
    sent: bool,
    /// Whether a byte of a response arrived.
    received: bool,
    /// Whether the upstream closed the connection.
    closed: bool,
    error: Option<hyper::Error>,
}

impl ExchangeError {
    /// Whether nothing of the request was written, so that no backend has seen it.
    pub(super) fn is_unsent(&self) -> bool {
        !self.sent
    }

    /// Whether the upstream closed the connection without a byte of a response.
    pub(super) fn is_silent_close(&self) -> bool {
        self.closed && !self.received
    }

    /// The failure that the sender is told.
    pub(super) fn failure(&self) -> Failure {
        if self.received { Failure::Malformed } else { Failure::Unreachable }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.received, self.closed) {
            (true, true) => "the upstream closed the connection in the middle of a response head",
            (true, false) => "the upstream's response is not valid",
            (false, true) => "the upstream closed the connection without a response",
            (false, false) => "the connection to the upstream failed",
        })
    }
}

impl Error for ExchangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.as_ref().map(|error| error as &(dyn Error + 'static))
    }
}
