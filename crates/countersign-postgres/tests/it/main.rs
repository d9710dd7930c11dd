//! The store against real servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its case has to fail")]

mod contract;
mod failures;
mod fleet;
mod inbox;
mod pooler;
mod schema;
mod support;
mod tls;
