//! The command line: its verbs, and the exit code.

use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory as _, Parser, Subcommand};
use countersign::verdict::Scheme;

use crate::error::Error;
use crate::exit::{self, Outcome};
use crate::output::{self, Output};
use crate::verbs::{
    bench, completions, emulate, explain, forget, inbox, jwks, listen, man, reconcile, secret, send, sign, store,
    verify,
};

/// The version, for example `0.1.0 (469b416a1b2c)`.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit: Option<&str> = countersign_commit::commit!();
    let version = env!("CARGO_PKG_VERSION");
    commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
});
/// The version, and below it the schemes and stores that the program supports.
static DESCRIPTION: LazyLock<String> = LazyLock::new(|| {
    let schemes = [Scheme::V1, Scheme::V1a, Scheme::Rs256].map(Scheme::as_str).join(", ");
    format!("{}\nschemes: {schemes}\nstores: sqlite", *VERSION)
});

/// Signs, sends, emulates, verifies and explains webhooks (Standard Webhooks, Gemini API webhooks).
#[derive(Debug, Parser)]
#[command(
    name = "countersign", version = VERSION.as_str(), long_version = DESCRIPTION.as_str(), after_help = exit::HELP,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Creates signing secrets
    Secret(secret::Args),
    /// Shows key sets
    Jwks(jwks::Args),
    /// Prints the three headers that sign a body
    Sign(sign::Args),
    /// Signs an event or a file and posts it to a URL
    Send(send::Args),
    /// Sends load to a URL, each request signed, and measures throughput and latency
    Bench(Box<bench::Args>),
    /// Emulates the sending side of Gemini API webhooks: API, jobs, retries, faults
    Emulate(Box<emulate::Args>),
    /// Receives webhooks on this machine: verifies, shows and explains each of them
    Listen(Box<listen::Args>),
    /// Verifies a captured request
    Verify(verify::Args),
    /// Explains why a captured request fails, by trying the usual mistakes
    Explain(explain::Args),
    /// Makes a gateway forget a message id, so that the next delivery of the message is handled again
    Forget(forget::Args),
    /// Lists, shows, redelivers and discards the deliveries of a gateway's inbox
    Inbox(Box<inbox::Args>),
    /// Finds Gemini API jobs whose webhooks never arrived at a gateway, and hands them over
    Reconcile(Box<reconcile::Args>),
    /// Checks, counts and cleans up the SQLite file of a gateway
    Store(store::Args),
    /// Prints a script that completes the command line in a shell
    Completions(completions::Args),
    /// Writes the manual pages
    Man(man::Args),
}

impl Cli {
    /// Runs the verb, and returns the exit code.
    pub(crate) fn run(self) -> ExitCode {
        let mut out = Output::stdout();
        match self.verb.run(&mut out) {
            Ok(outcome) => outcome.into(),
            Err(error) => {
                output::complain(&error);
                ExitCode::from(exit::USAGE)
            }
        }
    }
}

impl Verb {
    fn run(self, out: &mut Output) -> Result<Outcome, Error> {
        match self {
            Self::Secret(args) => secret::run(&args, out),
            Self::Jwks(args) => jwks::run(&args, out),
            Self::Sign(args) => sign::run(&args, out),
            Self::Send(args) => send::run(&args, out),
            Self::Bench(args) => bench::run(&args, out),
            Self::Emulate(args) => emulate::run(*args, out),
            Self::Listen(args) => listen::run(&args, out),
            Self::Verify(args) => verify::run(&args, out),
            Self::Explain(args) => explain::run(args, out),
            Self::Forget(args) => forget::run(&args, out),
            Self::Inbox(args) => inbox::run(&args, out),
            Self::Reconcile(args) => reconcile::run(&args, out),
            Self::Store(args) => store::run(&args, out),
            Self::Completions(args) => completions::run(&args, Cli::command(), out),
            Self::Man(args) => man::run(&args, Cli::command(), out),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
