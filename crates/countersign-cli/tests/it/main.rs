//! The program `countersign`, run as a child process.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

mod bench;
mod common;
mod emulate;
mod every_verb;
mod explain;
mod explain_dynamic;
mod forget;
mod inbox;
mod installed;
mod jwks;
mod listen;
mod network;
mod preset;
mod reconcile;
mod schema;
mod send;
mod sign;
mod store;
mod verify;
