//! Connections to upstreams that speak HTTP/2. Each worker thread has one to each upstream, and many requests share it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use h2::Reason;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::failure::Failure;
use super::head::LIMIT;
use super::places::Places;
use super::request::Outgoing;
use crate::upstream::{ConnectionKey, Upstream};

thread_local! {
    /// One for each configured upstream address at most.
    static SESSIONS: RefCell<HashMap<ConnectionKey, Session>> = RefCell::default();
}

/// A connection that many requests share. A task of the runtime drives it.
#[derive(Clone)]
pub(super) struct Session {
    requests: http2::SendRequest<Full<Bytes>>,
    used: Instant,
}

/// The connection of this thread to the upstream, if it is open and was used within `max_idle`.
pub(super) fn take(upstream: &Upstream, max_idle: Duration) -> Option<Session> {
    let now = SystemClock.instant();
    SESSIONS.with_borrow_mut(|sessions| {
        let session = sessions.get_mut(upstream.key())?;
        if session.requests.is_closed() || now.saturating_duration_since(session.used) >= max_idle {
            // Requests in progress finish.
            sessions.remove(upstream.key());
            return None;
        }
        session.used = now;
        Some(session.clone())
    })
}

/// No further request uses the connection of this thread to the upstream.
pub(super) fn forget(upstream: &Upstream) {
    SESSIONS.with_borrow_mut(|sessions| drop(sessions.remove(upstream.key())));
}

impl Session {
    /// Waits for a place and then connects, for at most `timeout` each. The connection is kept for other requests.
    pub(super) async fn open(upstream: &Upstream, places: &Places, timeout: Duration) -> io::Result<Self> {
        let place = places.take(timeout).await?;
        let opening = async {
            let stream = upstream.connect().await?;
            let handshake = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(LIMIT).unwrap_or(u32::MAX))
                .handshake(TokioIo::new(stream));
            handshake.await.map_err(io::Error::other)
        };
        let (requests, driver) = tokio::time::timeout(timeout, opening).await.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {timeout:?} (`connect_timeout`)"))
        })??;
        tokio::spawn(async move {
            // Its error is also that of the requests.
            let _ = driver.await;
            drop(place);
        });
        let session = Self { requests, used: SystemClock.instant() };
        SESSIONS.with_borrow_mut(|sessions| {
            // Those of upstreams that are no longer configured.
            sessions.retain(|_, session| !session.requests.is_closed());
            sessions.insert(upstream.key().clone(), session.clone());
        });
        Ok(session)
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn exchange(
        mut self,
        outgoing: &Outgoing,
        upstream: &Upstream,
    ) -> Result<Response<Incoming>, Http2Error> {
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = upstream.absolute(outgoing.path.clone()).ok_or(Http2Error::Unsent(None))?;
        outgoing.fill(request.headers_mut());
        self.requests.try_send_request(request).await.map_err(|mut error| {
            let was_unsent = error.take_message().is_some();
            let error = error.into_error();
            match error.source().and_then(<dyn Error>::downcast_ref) {
                _ if was_unsent => Http2Error::Unsent(Some(error)),
                Some(cause) if is_refusal(cause) => Http2Error::Refused(error),
                // What follows on the connection cannot be read, from the first frame on.
                Some(cause) if cause.is_library() && cause.reason() == Some(Reason::FRAME_SIZE_ERROR) => {
                    Http2Error::Malformed(error)
                }
                _ if self.requests.is_closed() => Http2Error::Closed(error),
                _ => Http2Error::Reset(error),
            }
        })
    }
}

/// Whether the upstream says that it has not handled a request. Only requests after the last one that it handled fail
/// with its `GOAWAY`.
fn is_refusal(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

/// An exchange that failed before the head of a response.
#[derive(Debug)]
pub(super) enum Http2Error {
    /// Nothing of the request was sent.
    Unsent(Option<hyper::Error>),
    /// The upstream has not handled the request, and says so.
    Refused(hyper::Error),
    /// What it sent is not HTTP/2.
    Malformed(hyper::Error),
    /// The connection was closed.
    Closed(hyper::Error),
    /// The upstream reset the stream.
    Reset(hyper::Error),
}

impl Http2Error {
    /// Whether the upstream has handled nothing of the request.
    pub(super) fn is_unhandled(&self) -> bool {
        matches!(self, Self::Unsent(_) | Self::Refused(_))
    }

    /// Whether the upstream says that it has not handled the request.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// The failure that the sender is told.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Malformed(_) => Failure::Malformed,
            _ => Failure::Unreachable,
        }
    }

    /// Whether the connection was closed without a response.
    pub(super) fn is_close(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl fmt::Display for Http2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsent(_) => "the connection to the upstream cannot be used",
            Self::Refused(_) => "the upstream refused the request, and has not handled it",
            Self::Malformed(_) => {
                "the upstream's response is not valid HTTP/2: for HTTP/1.1, write http:// or https:// in `upstream`"
            }
            Self::Closed(_) => "the upstream closed the connection without a response",
            Self::Reset(_) => "the upstream reset the stream without a response",
        })
    }
}

impl Error for Http2Error {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unsent(error) => error.as_ref().map(|error| error as &(dyn Error + 'static)),
            Self::Refused(error) | Self::Malformed(error) | Self::Closed(error) | Self::Reset(error) => Some(error),
        }
    }
}
