//! The tests that belong to no single crate: the published pages, the dependencies and the public API of the
//! libraries, and other implementations of webhooks.

mod book;
mod features;
mod interop;
mod pingora;
mod presets;
mod public_api;
mod readme;
mod sans_io;
mod sdk;
mod security;
