//! Keys that change at run time.
//!
//! A [`Verifier`](crate::Verifier) never changes. A [`KeySource`] provides the current one for each request:
//! [`SwapKeys`] if the service replaces its keys, or `RemoteKeys` of [`countersign-jwks`] if the sender publishes them.
//!
//! [`countersign-jwks`]: https://docs.rs/countersign-jwks

mod contract;
mod swap;

pub use contract::{KeySource, Refreshed};
pub use swap::SwapKeys;
