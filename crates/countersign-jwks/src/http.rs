//! Fetches key sets over HTTP.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign_jwks::http::{CaError, Proxy};
//! use countersign_jwks::{HttpFetch, JwksUrl};
//!
//! let url = JwksUrl::parse("https://keys.example.com/jwks.json")?;
//! let fetch = HttpFetch::new(url.clone()).timeout(Duration::from_secs(5));
//! # drop(fetch);
//! // Through a proxy:
//! let fetch = HttpFetch::new(url.clone()).proxy(Some(Proxy::parse("http://proxy.example.com:3128")?));
//! # drop(fetch);
//! // With a private certificate authority, from its PEM file:
//! assert_eq!(HttpFetch::with_ca(url, b"no certificate").err(), Some(CaError::Empty));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;
use std::time::Duration;

use ::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, USER_AGENT};
use ::http::{Request, StatusCode};
use bytes::Bytes;
use countersign::KeySet;
use countersign_client::{CaBundle, Client, ClientBuilder, Error};

use crate::fetch::{Document, Fetch, FetchError};
use crate::freshness;
use crate::url::JwksUrl;

pub use countersign_client::{CaError, Proxy, ProxyError};

/// Fetches a key set by HTTP/1.1, over TLS unless it comes from this machine.
///
/// It follows no redirect, accepts no other status than 200, reads at most [`KeySet::MAX_DOCUMENT`] bytes, and
/// gives up after [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT). It trusts the Mozilla root certificates that are
/// compiled in, not those of the machine: it works in a container that has none, and a proxy that the
/// machine trusts to read traffic cannot replace the keys. No connection is kept: fetches are minutes apart,
/// and each of them verifies the server's identity again.
#[derive(Clone, Debug)]
pub struct HttpFetch {
    url: JwksUrl,
    settings: ClientBuilder,
    client: Client,
}

impl HttpFetch {
    /// The default of [`timeout`](Self::timeout).
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

    /// Fetches from this address.
    pub fn new(url: JwksUrl) -> Self {
        Self::with_settings(url, Client::builder().timeout(Self::DEFAULT_TIMEOUT).max_body(KeySet::MAX_DOCUMENT))
    }

    /// Fetches from this address, and trusts these certificate authorities, in PEM, and no others.
    ///
    /// # Errors
    /// A certificate that cannot be read, or none at all.
    pub fn with_ca(url: JwksUrl, pem: &[u8]) -> Result<Self, CaError> {
        Ok(Self::new(url).ca(CaBundle::from_pem(pem)?))
    }

    /// How long a fetch may take, from the name resolution to the last byte. Default: 10 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self::with_settings(self.url, self.settings.timeout(timeout).connect_timeout(timeout))
    }

    /// Fetches through this proxy. Default: none, whatever the environment says.
    ///
    /// An address on this machine is always fetched from directly: plain `http` is allowed there because nobody
    /// stands in between.
    #[must_use]
    pub fn proxy(self, proxy: Option<Proxy>) -> Self {
        let proxy = proxy.filter(|_| self.url.is_https());
        Self::with_settings(self.url, self.settings.proxy(proxy))
    }

    /// Trusts these certificate authorities, and no others. Default: the Mozilla root certificates.
    #[must_use]
    pub fn ca(self, ca: CaBundle) -> Self {
        Self::with_settings(self.url, self.settings.ca(ca))
    }

    fn with_settings(url: JwksUrl, settings: ClientBuilder) -> Self {
        let client = settings.clone().build();
        Self { url, settings, client }
    }
}

impl From<JwksUrl> for HttpFetch {
    fn from(url: JwksUrl) -> Self {
        Self::new(url)
    }
}

impl Fetch for HttpFetch {
    async fn fetch(&self) -> Result<Document, FetchError> {
        let request = Request::get(self.url.uri())
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .header(ACCEPT_ENCODING, "identity")
            .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")));
        #[expect(clippy::expect_used, reason = "the URL was parsed, and the headers are constants")]
        let request = request.body(Bytes::new()).expect("a valid request");
        let (head, body) = self.client.send(request).await?.into_parts();
        match head.status {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(FetchError::Redirect(status.as_u16())),
            status => return Err(FetchError::Status(status.as_u16())),
        }
        let coding = head.headers.get(CONTENT_ENCODING);
        if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(FetchError::Encoding);
        }
        Ok(Document { body: body.bytes().await?, max_age: freshness::max_age(&head.headers) })
    }

    fn location(&self) -> Cow<'_, str> {
        let uri = self.url.uri();
        let origin = uri
            .authority()
            .map_or_else(String::new, |host| format!("{}://{host}", uri.scheme_str().unwrap_or_default()));
        // Some publishers want a key in the query, and a location is logged.
        let query = if uri.query().is_some() { "?…" } else { "" };
        format!("{origin}{}{query}", uri.path()).into()
    }
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        match error {
            Error::Connect(why) => Self::Connect(why),
            Error::Proxy(why) => Self::Proxy(why),
            Error::Tls(why) => Self::Tls(why),
            Error::Timeout(after) | Error::ConnectTimeout(after) => Self::Timeout(after),
            Error::TooLarge(_) => Self::TooLarge,
            Error::Interrupted(why) => Self::Interrupted(why),
            other => Self::Other(other.to_string()),
        }
    }
}
