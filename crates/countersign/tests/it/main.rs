//! The core through its public API.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

mod campaign;
mod common;
#[cfg(feature = "conformance")]
mod conformance;
mod dynamic;
mod events;
mod expired_secrets;
mod header_names;
mod key_sets;
mod replay;
mod swap_keys;
mod tokens;
mod vectors;
