//! The one client that fetches key sets over the network.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign_jwks::http::CaError;
//! use countersign_jwks::{HttpFetch, JwksUrl};
//!
//! let url = JwksUrl::parse("https://keys.example.com/jwks.json")?;
//! let fetch = HttpFetch::new(url.clone()).timeout(Duration::from_secs(5));
//! # drop(fetch);
//! // For a certificate authority of your own, its PEM file:
//! assert_eq!(HttpFetch::with_ca(url, b"no certificate").err(), Some(CaError::Empty));
//! # Ok::<(), countersign_jwks::url::JwksUrlError>(())
//! ```

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, USER_AGENT};
use ::http::{Request, StatusCode};
use bytes::{Bytes, BytesMut};
use countersign::KeySet;
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::fetch::{Document, Fetch, FetchError};
use crate::freshness;
use crate::url::JwksUrl;

/// The most bytes that the head of an answer may have.
const MAX_HEAD: usize = 64 * 1024;

/// Fetches a key set by HTTP/1.1, over TLS unless it comes from this machine.
///
/// It follows no redirect, takes no other status than 200, reads at most [`KeySet::MAX_DOCUMENT`] bytes,
/// and gives up after [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT). Trusted are the certificate authorities
/// of Mozilla's programme, as compiled in, and not those of the machine: the same in a container without
/// any, and a proxy that the machine trusts to read traffic cannot put keys of its own in.
#[derive(Clone)]
pub struct HttpFetch {
    url: JwksUrl,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    timeout: Duration,
}

impl HttpFetch {
    /// How long a fetch may take, from the look-up of the name to the last byte, unless set.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

    /// A client for this address.
    pub fn new(url: JwksUrl) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::with_roots(url, roots)
    }

    /// A client that trusts these certificate authorities, in PEM, and no other: for a private one.
    pub fn with_ca(url: JwksUrl, pem: &[u8]) -> Result<Self, CaError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| CaError::Malformed(error.to_string()))?;
            roots.add(certificate).map_err(|error| CaError::Malformed(error.to_string()))?;
        }
        if roots.is_empty() { Err(CaError::Empty) } else { Ok(Self::with_roots(url, roots)) }
    }

    /// How long a fetch may take, from the look-up of the name to the last byte.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn with_roots(url: JwksUrl, roots: RootCertStore) -> Self {
        // Named here: chosen by features, it would depend on what else is linked.
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        #[expect(clippy::expect_used, reason = "the provider's own suites are of these versions")]
        let tls = tls.with_safe_default_protocol_versions().expect("aws-lc-rs has TLS 1.2 and 1.3");
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls);
        let https = if url.is_https() { https.https_only() } else { https.https_or_http() };
        // No connection is kept: fetches are minutes apart, and each proves anew whom it talks to.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(MAX_HEAD)
            .build(https.enable_http1().wrap_connector(tcp));
        Self { url, client, timeout: Self::DEFAULT_TIMEOUT }
    }

    async fn get(&self) -> Result<Document, FetchError> {
        let mut request = Request::new(Empty::new());
        self.url.uri().clone_into(request.uri_mut());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION"))));
        let response = self.client.request(request).await.map_err(|error| explain(&error))?;
        let (head, body) = response.into_parts();
        match head.status {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(FetchError::Redirect(status.as_u16())),
            status => return Err(FetchError::Status(status.as_u16())),
        }
        if head.headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(FetchError::Encoding);
        }
        let body = read(body).await?;
        Ok(Document { body, max_age: freshness::max_age(&head.headers) })
    }
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch").field("url", &self.url).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Fetch for HttpFetch {
    async fn fetch(&self) -> Result<Document, FetchError> {
        tokio::time::timeout(self.timeout, self.get()).await.map_err(|_| FetchError::Timeout(self.timeout))?
    }

    fn location(&self) -> Cow<'_, str> {
        self.url.to_string().into()
    }
}

/// Reads a body as it comes, and no further than a document may reach.
async fn read<B: Body<Data = Bytes, Error: Error + 'static>>(body: B) -> Result<Bytes, FetchError> {
    let announced = body.size_hint().lower();
    if announced > KeySet::MAX_DOCUMENT as u64 {
        return Err(FetchError::TooLarge);
    }
    let mut body = std::pin::pin!(body);
    let mut document = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Interrupted(root_cause(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > KeySet::MAX_DOCUMENT - document.len() {
            return Err(FetchError::TooLarge);
        }
        document.extend_from_slice(&data);
    }
    Ok(document.freeze())
}

fn explain(error: &legacy::Error) -> FetchError {
    let is_tls = chain(error).any(<dyn Error>::is::<rustls::Error>);
    match (is_tls, error.is_connect()) {
        (true, _) => FetchError::Tls(root_cause(error)),
        (false, true) => FetchError::Connect(root_cause(error)),
        (false, false) => FetchError::Interrupted(root_cause(error)),
    }
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error and its causes. What an I/O error wraps counts: its own `source` passes that over.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// Why a text was not taken as certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaError {
    /// It holds no certificate.
    Empty,
    /// One of its certificates cannot be read.
    Malformed(String),
}

impl fmt::Display for CaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no certificate in it (`-----BEGIN CERTIFICATE-----`)"),
            Self::Malformed(why) => write!(f, "a certificate in it cannot be read: {why}"),
        }
    }
}

impl Error for CaError {}
