//! `countersign`: signs, sends, emulates, verifies and explains webhooks on the command line.

mod admin;
mod bench;
mod capture;
mod cli;
mod delivery;
mod emulated;
mod error;
mod exit;
mod inbox;
mod input;
mod key_set;
mod keys;
mod listen;
mod network;
mod output;
mod post;
mod preset;
mod progress;
mod random;
mod reconcile;
mod report;
mod secrets;
mod signals;
mod signing;
mod store;
mod time;
mod verbs;
mod verdict;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    cli::Cli::parse().run()
}
