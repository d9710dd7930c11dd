//! A gateway in front of unmodified backends: it forwards only authentic, recent, non-duplicate webhooks, and adds
//! headers that describe the verified request.
//!
//! Pingora provides the [`process`]: one runtime per core, start and shutdown, and health checks of the upstreams.
//! On each accepted stream, hyper serves the connection ([`serve`]). Each request goes through the same Tower layer
//! that a Rust service installs, around a service that forwards it ([`forward`]).
//!
//! The path of a request is [`gateway`], from top to bottom.

#![deny(missing_docs)]

pub mod admin;
pub mod config;
pub mod connection;
mod detached;
pub mod forward;
pub mod fullness;
pub mod gateway;
pub mod ledger;
pub mod log;
pub mod metrics;
pub mod path;
pub mod process;
pub mod route;
pub mod serve;
pub mod services;
pub mod source_keys;
pub mod starting;
pub mod state;
mod steering;
pub mod trust;
pub mod upstream;
