//! The emulator over real sockets.

#![expect(clippy::expect_used, reason = "a test that cannot set up its case has to fail")]

mod common;
mod control;
mod delivery;
mod faults;
mod files;
mod jobs;
mod presets;
mod quirks;
mod uploads;
