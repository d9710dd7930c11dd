//! The gateway as a child process, over real sockets.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

mod accelerator;
mod admin;
mod bodies;
mod common;
mod config;
mod config_keys;
mod connections;
mod dynamic;
mod early;
mod emulator;
mod expired;
mod forwarding;
mod hostile;
mod log_file;
mod logging;
mod model;
mod outages;
mod rejections;
mod retries;
mod routes;
mod shutdown;
mod trust;
mod upstream_connections;
mod upstream_responses;
mod upstreams;
