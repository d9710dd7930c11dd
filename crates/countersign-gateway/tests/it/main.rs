//! The gateway in the process of the test, with a manual clock, and as a child process for what only sockets show.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

mod accelerator;
mod admin;
mod bodies;
mod commands;
mod common;
mod config;
mod connections;
mod deploy;
mod dynamic;
mod early;
mod emulator;
mod expired;
mod forwarding;
mod hostile;
mod jwks_proxy;
mod listeners;
mod log_file;
mod logging;
mod model;
mod other_clients;
mod outages;
mod paths;
mod presets;
mod probes;
mod proxies;
mod proxy_protocol;
mod rates;
mod rejections;
mod reload;
mod retries;
mod routes;
mod schema;
mod service_manager;
mod set_headers;
mod shutdown;
mod state;
mod store;
mod tls;
mod trust;
mod upgrade;
mod upstream_connections;
mod upstream_limits;
mod upstream_responses;
mod upstreams;
