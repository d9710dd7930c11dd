//! The SQLite store: both contracts, and what happens to a file through crashes, upgrades and full disks.

#![expect(clippy::expect_used, reason = "a test fails if its preparation fails")]

mod common;
mod contracts;
mod faults;
mod inspect;
mod power;
mod processes;
mod restart;
mod service;
