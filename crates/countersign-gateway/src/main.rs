//! `countersign-gateway --config FILE`

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use countersign_gateway::config::{Capacity, Config};
use countersign_gateway::log::{self, Log};
use countersign_gateway::process;
use countersign_gateway::state::State;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the end of the process waits for a reader of what it wrote.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Forwards only verified webhooks to backends that know nothing of them.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 stopped as asked, or the configuration is good; 1 it could not run; 2 usage."
)]
struct Cli {
    /// The configuration, as TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and the secrets that it names, and exit
    #[arg(long)]
    check: bool,
    /// How log lines are written to standard output; what is logged is set by `RUST_LOG`
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = std::env::var_os("RUST_LOG");
    let config = match Config::load(&cli.config) {
        Ok(config) => config,
        Err(error) => return failure(&error),
    };
    if cli.check {
        let state = match State::build(&config) {
            Ok(state) => state,
            Err(error) => return failure(&error),
        };
        // A reader that went away changes nothing of the outcome.
        let _ = report(&cli, &config, &state, filter.as_deref());
        return ExitCode::SUCCESS;
    }
    let format = match cli.log {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    process::survive_file_size_limit();
    let log = match Log::start(format, filter.as_deref()) {
        Ok(log) => log,
        Err(error) => return failure(&format!("the log cannot be started: {error}")),
    };
    let ended = process::run(&config, &log);
    log.flush(LAST_WORDS);
    ended.map_or_else(|error| failure(&error), |()| ExitCode::SUCCESS)
}

fn report(cli: &Cli, config: &Config, state: &State, filter: Option<&OsStr>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut warnings: Vec<_> = config.warnings.iter().chain(&state.warnings).collect();
    warnings.sort_by_key(|warning| warning.line());
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    if let Some(doubt) = log::doubt_about_filter(filter) {
        writeln!(out, "warning: {doubt}")?;
    }
    for (name, source) in &config.sources {
        writeln!(out, "source \"{name}\": {}", Capacity::of(&source.replay))?;
    }
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (routes, sources) = (counted(config.routes.len(), "route"), counted(config.sources.len(), "source"));
    writeln!(out, "{}: configuration OK ({routes}, {sources})", cli.config.display())
}

/// Says why it could not run: to standard error, though not for longer than somebody may be expected to read it.
fn failure(error: &dyn std::fmt::Display) -> ExitCode {
    let text = format!("error: {error}\n");
    let (done, written) = mpsc::channel();
    let writing = thread::Builder::new().spawn(move || {
        let _ = io::stderr().write_all(text.as_bytes());
        let _ = done.send(());
    });
    if writing.is_ok() {
        let _ = written.recv_timeout(LAST_WORDS);
    }
    ExitCode::FAILURE
}
