//! The client and its settings.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::ResponseBody;
use crate::ca::CaBundle;
use crate::connect::Connector;
use crate::error::Error;
use crate::proxy::Proxy;

/// The maximum size of a response head, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How long an idle connection is kept. Servers close idle connections after some seconds, and a request that is sent at
/// that moment is lost.
const IDLE: Duration = Duration::from_secs(4);

/// An HTTP/1.1 client. A clone is cheap and shares its connections.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<Connector, Full<Bytes>>,
    settings: ClientBuilder,
}

impl Client {
    /// Creates a builder with the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Sends a request. The response is returned as soon as its head is complete, with any status. Redirects are not
    /// followed.
    ///
    /// # Errors
    /// Returns every [`Error`] except [`Error::TooLarge`]. The timeout includes the body.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<ResponseBody>, Error> {
        let is_http = matches!(request.uri().scheme_str(), Some("http" | "https"));
        if !is_http || request.uri().host().is_none_or(str::is_empty) {
            return Err(Error::Url);
        }
        let ClientBuilder { timeout, max_body, .. } = self.settings;
        let mut deadline = Box::pin(tokio::time::sleep(timeout));
        let response = tokio::select! {
            biased;
            response = self.inner.request(request.map(Full::new)) => response,
            () = &mut deadline => return Err(Error::Timeout(timeout)),
        };
        let response = response.map_err(|error| Error::of_request(&error))?;
        Ok(response.map(|incoming| ResponseBody::new(incoming, deadline, timeout, max_body)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The settings of a [`Client`].
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `build` is called"]
pub struct ClientBuilder {
    ca: CaBundle,
    proxy: Option<Proxy>,
    connect_timeout: Duration,
    timeout: Duration,
    max_body: usize,
    max_idle: usize,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            ca: CaBundle::mozilla(),
            proxy: None,
            connect_timeout: Self::DEFAULT_CONNECT_TIMEOUT,
            timeout: Self::DEFAULT_TIMEOUT,
            max_body: Self::DEFAULT_MAX_BODY,
            max_idle: 0,
        }
    }
}

impl ClientBuilder {
    /// The default of [`connect_timeout`](Self::connect_timeout).
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The default of [`timeout`](Self::timeout).
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
    /// The default of [`max_body`](Self::max_body), in bytes.
    pub const DEFAULT_MAX_BODY: usize = 64 << 10;

    /// Trusts these certificate authorities, and no others. Default: [`CaBundle::mozilla`].
    pub fn ca(mut self, ca: CaBundle) -> Self {
        self.ca = ca;
        self
    }

    /// Sends requests through this proxy. Default: none. The environment is not read.
    pub fn proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets the time limit for name resolution, TCP, the proxy's tunnel and TLS together. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time limit for a request, from name resolution to the last byte of the body. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the maximum size of a response body, in bytes. Default: 64 KiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sets how many idle connections to a host are kept. Default: 0. Every request then opens a connection and verifies
    /// the server's identity.
    pub fn max_idle_connections(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// Builds the client.
    pub fn build(self) -> Client {
        let connector = Connector::new(&self.ca, self.proxy.clone(), self.connect_timeout);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.max_idle)
            .http1_max_buf_size(MAX_HEAD)
            .build(connector);
        Client { inner, settings: self }
    }
}
