//! The layer, alone and on real servers.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

#[cfg(feature = "axum")]
mod axum;
mod bodies;
mod budget;
mod common;
mod detach;
mod endings;
mod grpc;
mod keys;
mod manual;
mod observe;
mod policies;
mod readiness;
mod rejections;
mod reports;
mod settling;
#[cfg(feature = "tracing")]
#[cfg(feature = "sign")]
mod sign;
mod spans;
mod stores;
mod tampering;
mod types;
