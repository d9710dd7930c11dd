//! Public keys for [`countersign`] that live, rotate and fail.
//!
//! Senders publish their keys as a JWKS document (RFC 7517). [`Jwks`] keeps one such set at hand: it
//! fetches it in the background, serves it while the source is down, and looks for newer keys when a
//! delivery was signed with none that it knows, at most once in 30 seconds whoever asks.
//! [`RemoteKeys`] makes a [`KeySource`](countersign::KeySource) of it.
//!
//! ```no_run
//! use countersign::{SystemClock, Verifier};
//! use countersign_jwks::{Config, HttpFetch, Jwks, JwksUrl, RemoteKeys};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = JwksUrl::parse("https://generativelanguage.googleapis.com/.well-known/jwks.json")?;
//! let jwks = Jwks::new(HttpFetch::new(url), Config::default(), SystemClock);
//! tokio::spawn(jwks.run());
//!
//! let keys = RemoteKeys::new(Verifier::builder("gemini").build()?, jwks);
//! # Ok(())
//! # }
//! ```
//!
//! What decides is [`Cache`], a state machine without clock, network or runtime; what fetches is behind
//! [`Fetch`].

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
