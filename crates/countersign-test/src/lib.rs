//! Shared helpers of this workspace's tests: signed deliveries, raw connections, a scripted backend, child
//! processes, servers, keys and certificates.
//!
//! The published crates use it as a dev-dependency with a path and without a version, so Cargo leaves it out when it
//! packages them.

#![expect(clippy::expect_used, reason = "a test fails when its setup does")]

pub mod backend;
pub mod delivery;
pub mod disk;
pub mod keys;
pub mod postgres_server;
pub mod process;
pub mod redis_fleet;
pub mod redis_server;
pub mod statuses;
pub mod tls;
pub mod wait;
pub mod wire;
