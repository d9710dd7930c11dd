//! One attempt to get a response from one upstream.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, ExchangeError};
use super::failure::Failure;
use super::head::Head;
use super::http2::{self, Http2Error, Session};
use super::places::Places;
use super::request::Outgoing;
use super::{Timeouts, pool, report};
use crate::upstream::{Upstream, UpstreamResult};

/// The head of a response, and what its body arrives on.
pub(super) enum Received {
    Http1(Head, Box<Connection>),
    Http2(Response<Incoming>),
}

impl Received {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Http1(head, _) => head.parts.status,
            Self::Http2(response) => response.status(),
        }
    }
}

/// A request to one upstream, with its limits.
pub(super) struct Attempt<'a> {
    pub(super) outgoing: &'a Outgoing,
    pub(super) upstream: &'a Upstream,
    pub(super) places: &'a Places,
    pub(super) timeouts: Timeouts,
    pub(super) deadline: Instant,
}

impl Attempt<'_> {
    /// Sends the request on a connection that is open already, or on a new one if there is none or it turns out to be
    /// closed. With `is_repeat`, a backend may have seen the request, and only a new connection is used.
    ///
    /// Rarely used branches are boxed, which keeps the future of most requests small.
    pub(super) async fn run(&self, is_repeat: &mut bool) -> Result<Received, TryError> {
        if self.upstream.is_http2() {
            let running = timeout_at(self.deadline, Box::pin(self.http2(is_repeat))).await;
            return running.unwrap_or(Err(TryError::TooSlow(self.timeouts.response)));
        }
        self.http1(is_repeat).await.map(|(head, connection)| Received::Http1(head, connection))
    }

    async fn http1(&self, is_repeat: &mut bool) -> Result<(Head, Box<Connection>), TryError> {
        let Self { outgoing, upstream, places, timeouts, deadline } = *self;
        let failed = |error: ExchangeError| {
            if error.is_too_slow() { TryError::TooSlow(timeouts.response) } else { TryError::Exchange(error) }
        };
        while !*is_repeat && let Some(mut connection) = pool::take(upstream.key(), timeouts.idle) {
            if !connection.is_idle() {
                continue;
            }
            match connection.exchange(outgoing, upstream, deadline).await {
                Err(error) if error.is_unsent() && !error.is_too_slow() => report::stale_connection(upstream, &error),
                Err(error) if error.is_silent_close() => {
                    report::stale_connection(upstream, &error);
                    *is_repeat = true;
                }
                outcome => return outcome.map_err(failed),
            }
        }
        let opened = Box::pin(Connection::open(upstream, places, timeouts.connect, deadline));
        let opened = timeout_at(deadline, opened).await.map_err(|_| TryError::TooSlow(timeouts.response))?;
        opened.map_err(TryError::Connect)?.exchange(outgoing, upstream, deadline).await.map_err(failed)
    }

    async fn http2(&self, is_repeat: &mut bool) -> Result<Received, TryError> {
        let Self { outgoing, upstream, places, timeouts, .. } = *self;
        if !*is_repeat && let Some(session) = http2::take(upstream, timeouts.idle) {
            match session.exchange(outgoing, upstream).await {
                Err(error) if error.is_unhandled() || error.is_close() => {
                    report::stale_connection(upstream, &error);
                    http2::forget(upstream);
                    *is_repeat = error.is_close();
                }
                outcome => return outcome.map(Received::Http2).map_err(TryError::Http2),
            }
        }
        let open = async || Session::open(upstream, places, timeouts.connect).await.map_err(TryError::Connect);
        match open().await?.exchange(outgoing, upstream).await {
            // Once more: it may have limited the requests of the connection only after that was opened.
            Err(error) if error.is_refusal() => {
                report::refused(upstream, &error);
                http2::forget(upstream);
                open().await?.exchange(outgoing, upstream).await
            }
            outcome => outcome,
        }
        .map(Received::Http2)
        .map_err(TryError::Http2)
    }
}

/// Why there is no response head from an upstream.
#[derive(Debug)]
pub(super) enum TryError {
    Connect(io::Error),
    Exchange(ExchangeError),
    Http2(Http2Error),
    /// The head of the response did not arrive within this time.
    TooSlow(Duration),
}

impl TryError {
    /// Whether the upstream has handled nothing of the request, and there is time to try another.
    pub(super) fn is_unhandled(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Exchange(error) => error.is_unsent(),
            Self::Http2(error) => error.is_unhandled(),
            Self::TooSlow(_) => false,
        }
    }

    /// What became of the request. `None` if that is not due to the upstream.
    pub(super) fn result(&self) -> Option<UpstreamResult> {
        match self.failure() {
            Failure::Unreachable if matches!(self, Self::Connect(_)) => Some(UpstreamResult::ConnectFailed),
            Failure::Unreachable => Some(UpstreamResult::Closed),
            Failure::Malformed => Some(UpstreamResult::Malformed),
            Failure::Timeout => Some(UpstreamResult::Timeout),
            Failure::Busy | Failure::OverCapacity | Failure::PathTooLong | Failure::Status(_) => None,
        }
    }

    /// The failure that the sender is told.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::QuotaExceeded => Failure::Busy,
            Self::Connect(_) => Failure::Unreachable,
            Self::Http2(error) => error.failure(),
            Self::Exchange(error) => error.failure(),
            Self::TooSlow(_) => Failure::Timeout,
        }
    }
}

impl fmt::Display for TryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("cannot connect to the upstream"),
            Self::Exchange(error) => error.fmt(f),
            Self::Http2(error) => error.fmt(f),
            Self::TooSlow(timeout) => {
                write!(f, "no complete response head within {timeout:?} (`upstream_timeout`)")
            }
        }
    }
}

impl Error for TryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Exchange(error) => error.source(),
            Self::Http2(error) => error.source(),
            Self::TooSlow(_) => None,
        }
    }
}
