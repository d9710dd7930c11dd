//! The layer, alone and on real servers.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

#[cfg(all(feature = "axum", feature = "gemini"))]
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
#[cfg(feature = "sign")]
mod sign;
#[cfg(feature = "tracing")]
mod spans;
mod stores;
mod tampering;
mod types;
