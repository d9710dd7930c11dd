//! A gateway in front of backends that know nothing of webhooks: it forwards only what is genuine,
//! fresh and new, with headers that say so.
//!
//! Pingora gives the [process](process): one runtime per core, the start and the end, health checks of
//! the upstreams. On each accepted stream hyper [serves](serve) the connection, and each request goes
//! through the Tower layer that a Rust user would install, with a [forwarding service](forward) inside it.
//!
//! The path of a request is [`delivery`], from top to bottom.

#![deny(missing_docs)]

pub mod admin;
pub mod config;
pub mod delivery;
mod finish;
pub mod forward;
pub mod fullness;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod path;
pub mod process;
pub mod route;
pub mod serve;
mod steering;
pub mod trust;
pub mod upstream;
