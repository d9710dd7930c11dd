//! The official SDKs for Python and JavaScript, unmodified, against the emulator: what they parse is what is
//! expected, field by field, and what was pushed meanwhile says the same.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

mod batches;
mod client;
mod errors;
mod facts;
mod interactions;
mod pushed;
mod receiver;
mod relay;
mod stage;
mod uploads;
mod videos;
mod webhooks;
