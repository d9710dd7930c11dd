//! The errors of a request.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use hyper_util::client::legacy;

/// A request failed, or its response is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL is not `http://` or `https://` with a host.
    #[error("the URL is not `http://host…` or `https://host…`")]
    Url,
    /// The server cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The proxy cannot be reached, or it rejected the tunnel.
    #[error("{0}")]
    Proxy(String),
    /// The server's certificate was not accepted, or the server does not support TLS.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The connect timeout has passed.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The timeout has passed before the response was complete.
    #[error("no complete response within {0:?}")]
    Timeout(Duration),
    /// The response body is larger than this many bytes.
    #[error("the response has more than {0} bytes")]
    TooLarge(usize),
    /// The connection failed before the response was complete, or the response is not HTTP.
    #[error("the connection failed before the response was complete: {0}")]
    Interrupted(String),
}

/// The connection took too long.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(crate) struct ConnectTimeout(pub(crate) Duration);

/// The proxy cannot be reached, or it rejected the tunnel.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {proxy} opened no tunnel: {why}")]
pub(crate) struct ProxyFailure {
    proxy: String,
    why: String,
}

impl ProxyFailure {
    pub(crate) fn new(proxy: String, error: &(dyn StdError + 'static)) -> Self {
        // Without a cause, use the tunnel's own message, without the prefix that repeats ours.
        let why = root_cause(error);
        let why = why.strip_prefix("tunnel error: ").map_or(why.clone(), str::to_owned);
        Self { proxy, why }
    }
}

impl Error {
    pub(crate) fn of_request(error: &legacy::Error) -> Self {
        let find = |error: &(dyn StdError + 'static)| {
            if let Some(ConnectTimeout(limit)) = error.downcast_ref() {
                return Some(Self::ConnectTimeout(*limit));
            }
            if let Some(failure) = error.downcast_ref::<ProxyFailure>() {
                return Some(Self::Proxy(failure.to_string()));
            }
            error.is::<rustls::Error>().then(|| Self::Tls(error.to_string()))
        };
        chain(error).find_map(find).unwrap_or_else(|| {
            let cause = root_cause(error);
            if error.is_connect() { Self::Connect(cause) } else { Self::Interrupted(cause) }
        })
    }
}

/// The innermost cause. The outer errors only report that something failed.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error and its causes, including the error inside an I/O error, which its `source` skips.
fn chain<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
        None => error.source(),
    })
}
