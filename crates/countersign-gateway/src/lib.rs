//! A gateway in front of unmodified backends: it forwards only authentic, recent, non-duplicate webhooks, and adds
//! headers that describe the verified request.
//!
//! [`Config::load`] reads a configuration, and [`run`] serves it until the process is asked to stop:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use countersign_gateway::log::{Format, Log};
//! use countersign_gateway::{Config, run};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load(Path::new("gateway.toml"))?;
//! let log = Log::start(Format::Json, None)?;
//! run(&config, &log)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Inside
//!
//! Pingora provides the process: one runtime per core, start and shutdown. On each
//! accepted stream, hyper serves the connection. Each request goes through the same Tower layer that a Rust service
//! installs, around a service that forwards it. The modules that do this are hidden: they are for the binary and its tests,
//! and change without notice.

#![deny(missing_docs)]

pub mod config;
pub mod log;

#[doc(hidden)]
pub mod admin;
#[doc(hidden)]
pub mod admin_access;
pub mod admin_token;
#[doc(hidden)]
pub mod assertion;
mod causes;
mod certificate;
#[doc(hidden)]
pub mod check;
#[doc(hidden)]
pub mod client_limit;
#[doc(hidden)]
pub mod commands;
#[doc(hidden)]
pub mod connection;
mod detached;
#[doc(hidden)]
pub mod doctor;
#[doc(hidden)]
pub mod forward;
#[doc(hidden)]
pub mod fullness;
#[doc(hidden)]
pub mod gateway;
pub mod handler;
#[doc(hidden)]
pub mod health;
pub mod inbox;
pub mod inbox_api;
#[doc(hidden)]
pub mod inspect;
#[doc(hidden)]
pub mod ledger;
#[doc(hidden)]
pub mod lifecycle;
mod list;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod migrate;
#[doc(hidden)]
pub mod path;
#[doc(hidden)]
pub mod process;
#[doc(hidden)]
pub mod proxies;
#[doc(hidden)]
pub mod pull_api;
#[doc(hidden)]
pub mod rate;
#[doc(hidden)]
pub mod recent;
#[doc(hidden)]
pub mod reconcile;
#[doc(hidden)]
pub mod reconcile_api;
mod recording;
#[doc(hidden)]
pub mod reload;
#[doc(hidden)]
pub mod route;
#[doc(hidden)]
pub mod serve;
#[doc(hidden)]
pub mod services;
#[doc(hidden)]
pub mod source_keys;
#[doc(hidden)]
pub mod state;
mod steering;
#[doc(hidden)]
pub mod telemetry;
#[doc(hidden)]
pub mod trust;
#[doc(hidden)]
pub mod unrouted;
pub mod unverified;
#[doc(hidden)]
pub mod upstream;
#[doc(hidden)]
pub mod version;

pub use config::Config;
pub use process::{ServerError, run};
