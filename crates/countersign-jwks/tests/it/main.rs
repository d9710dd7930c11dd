//! The key set cache and its client.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its case has to fail")]

mod cache;
mod http;
mod jwks;
mod log;
mod support;
