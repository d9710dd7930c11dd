//! Where key sets come from, and how a fetch fails.
//!
//! ```
//! use std::borrow::Cow;
//!
//! use countersign_jwks::{Document, Fetch, FetchError};
//!
//! /// Keys that another program writes to a file.
//! struct File(&'static str);
//!
//! impl Fetch for File {
//!     async fn fetch(&self) -> Result<Document, FetchError> {
//!         let body = tokio::task::spawn_blocking({
//!             let path = self.0;
//!             move || std::fs::read(path)
//!         });
//!         let body = body.await.map_err(|_| FetchError::Abandoned)?;
//!         let body = body.map_err(|error| FetchError::Other(error.to_string()))?;
//!         Ok(Document { body: body.into(), max_age: None })
//!     }
//!
//!     fn location(&self) -> Cow<'_, str> {
//!         self.0.into()
//!     }
//! }
//! ```

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use countersign::KeySet;
use countersign::key::KeySetError;

/// Fetches the document of a key set.
///
/// The document decides which deliveries are trusted. An implementation must therefore fetch it only from a configured
/// location, never from one in a request, and must verify the server's identity. It must also limit the time, and read at
/// most [`KeySet::MAX_DOCUMENT`] bytes, because the caller checks neither.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches the current document.
    fn fetch(&self) -> impl Future<Output = Result<Document, FetchError>> + Send;

    /// The document's location, for logs.
    fn location(&self) -> Cow<'_, str>;
}

/// A published document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The bytes of the document.
    pub body: Bytes,
    /// How long it may be cached, if the publisher sent that: `max-age` minus `Age` (RFC 9111).
    pub max_age: Option<Duration>,
}

/// A fetch returned no usable key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The proxy cannot be reached, or it rejected the tunnel.
    #[error("{0}")]
    Proxy(String),
    /// The server's certificate was not accepted, or the server does not support TLS.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The fetch took too long.
    #[error("no complete response within {0:?}")]
    Timeout(Duration),
    /// The response has a status other than 200.
    #[error("the response has status {0}, expected 200")]
    Status(u16),
    /// The response is a redirect. Keys come only from the configured address.
    #[error("the response is a redirect ({0}), and redirects are not followed; configure the final URL")]
    Redirect(u16),
    /// The response is compressed, which was not requested.
    #[error("the response is compressed, which was not requested")]
    Encoding,
    /// The document has more than [`KeySet::MAX_DOCUMENT`] bytes.
    #[error("the response has more than {} bytes", KeySet::MAX_DOCUMENT)]
    TooLarge,
    /// The connection failed before the response was complete.
    #[error("the connection failed before the response was complete: {0}")]
    Interrupted(String),
    /// The document is not a key set, or has too many keys.
    #[error(transparent)]
    Document(#[from] KeySetError),
    /// The key set has no usable key.
    #[error("the key set has no usable key")]
    NoUsableKey,
    /// The fetch ended without a result: it panicked, or its runtime shut down.
    #[error("the fetch ended without a result")]
    Abandoned,
    /// An error of another implementation of [`Fetch`].
    #[error("{0}")]
    Other(String),
}

impl FetchError {
    /// The stable name of the error's kind, for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Proxy(_) => "proxy",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::Status(_) => "status",
            Self::Redirect(_) => "redirect",
            Self::Encoding => "encoding",
            Self::TooLarge | Self::Document(KeySetError::TooLarge) => "too_large",
            Self::Interrupted(_) => "interrupted",
            Self::Document(KeySetError::TooManyKeys) => "too_many_keys",
            Self::Document(_) => "not_a_key_set",
            Self::NoUsableKey => "no_usable_key",
            Self::Abandoned => "abandoned",
            Self::Other(_) => "other",
        }
    }
}
