//! What gets a document, and how it fails.
//!
//! ```
//! use std::borrow::Cow;
//!
//! use countersign_jwks::{Document, Fetch, FetchError};
//!
//! /// Keys that somebody else puts into a file.
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
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use countersign::KeySet;
use countersign::key::KeySetError;

/// Gets the document of a key set.
///
/// Whoever answers it decides whose deliveries are trusted: it asks a place that configuration names,
/// never one that a request names, and it proves whom it talks to. It ends in bounded time and reads at
/// most [`KeySet::MAX_DOCUMENT`] bytes; nobody else sees to that.
pub trait Fetch: Send + Sync + 'static {
    /// Gets the document as it is now.
    fn fetch(&self) -> impl Future<Output = Result<Document, FetchError>> + Send;

    /// Where it comes from, for the log.
    fn location(&self) -> Cow<'_, str>;
}

/// A document, as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its bytes.
    pub body: Bytes,
    /// For how long it is good, if its publisher says so: `max-age` less `Age` (RFC 9111).
    pub max_age: Option<Duration>,
}

/// Why a fetch brought no key set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody could be connected to.
    Connect(String),
    /// Whoever answered could not prove who they are, or speaks no TLS.
    Tls(String),
    /// It took too long.
    Timeout(Duration),
    /// The answer has another status than 200.
    Status(u16),
    /// The answer sends elsewhere, and keys come from where configuration says.
    Redirect(u16),
    /// The document is compressed, which was not asked for.
    Encoding,
    /// The document has more than [`KeySet::MAX_DOCUMENT`] bytes.
    TooLarge,
    /// The connection failed before the document was there.
    Interrupted(String),
    /// The document is not a key set, or lists too many keys.
    Document(KeySetError),
    /// The key set has no key that could be used.
    NoUsableKey,
    /// The fetch ended without an outcome: it panicked, or its runtime shut down.
    Abandoned,
    /// What another implementation of [`Fetch`] has to say.
    Other(String),
}

impl FetchError {
    /// The stable name of its kind, to count by.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
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

impl From<KeySetError> for FetchError {
    fn from(error: KeySetError) -> Self {
        Self::Document(error)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "cannot connect: {why}"),
            Self::Tls(why) => write!(f, "the server's identity is not proven: {why}"),
            Self::Timeout(after) => write!(f, "no complete answer within {after:?}"),
            Self::Status(status) => write!(f, "the answer has status {status}, and 200 was expected"),
            Self::Redirect(status) => write!(f, "the answer is a redirect ({status}), and those are not followed"),
            Self::Encoding => f.write_str("the answer is compressed, which was not asked for"),
            Self::TooLarge => write!(f, "the answer has more than {} bytes", KeySet::MAX_DOCUMENT),
            Self::Interrupted(why) => write!(f, "the connection failed before the answer was complete: {why}"),
            Self::Document(error) => error.fmt(f),
            Self::NoUsableKey => f.write_str("the key set has no key that could be used"),
            Self::Abandoned => f.write_str("the fetch ended without an outcome"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FetchError {}
