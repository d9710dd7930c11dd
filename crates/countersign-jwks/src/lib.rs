//! Public keys for [`countersign`] from a JWKS endpoint, through rotations and outages.
//!
//! Senders publish their keys as a JWKS document (RFC 7517). [`RemoteKeys`] is a [`KeySource`](countersign::key_source::KeySource)
//! with such keys: it fetches them in the background, continues with the last set while the publisher is down, and
//! looks for newer keys when a delivery is signed with an unknown key, at most once in 30 s. After a failed fetch, a delivery
//! with an unknown key is rejected for now ([`Refreshed::Unavailable`](countersign::key_source::Refreshed::Unavailable)),
//! because nobody knows whether its key is new.
//!
//! ```no_run
//! use countersign::{KeySet, Verifier};
//! use countersign_jwks::{JwksUrl, RemoteKeys};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = JwksUrl::parse("https://generativelanguage.googleapis.com/.well-known/jwks.json")?;
//! let keys = RemoteKeys::spawn(Verifier::builder("gemini").key_set(KeySet::default()).build()?, url);
//! # Ok(())
//! # }
//! ```
//!
//! [`Jwks`] holds one set, and several sources may share it. [`Cache`] decides when to fetch: a state machine without
//! clock, network or runtime. [`Fetch`] does the fetching.

#![deny(missing_docs)]

pub mod cache;
pub mod fetch;
mod freshness;
pub mod http;
pub mod jwks;
pub mod remote;
pub mod url;

pub use cache::{Cache, Config, State, Stats};
pub use fetch::{Document, Fetch, FetchError};
pub use http::HttpFetch;
pub use jwks::Jwks;
pub use remote::RemoteKeys;
pub use url::JwksUrl;
