//! `countersign`: makes, signs, sends, emulates, verifies and explains webhooks on the command line.

mod capture;
mod cli;
mod client;
mod error;
mod exit;
mod explain;
mod input;
mod jwks;
mod keys;
mod output;
mod progress;
mod random;
mod secrets;
mod signing;
mod time;
mod verbs;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    cli::Cli::parse().run()
}
