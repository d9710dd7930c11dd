//! `countersign-gateway --config FILE`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use countersign_gateway::config::{Capacity, Config};
use countersign_gateway::server;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let config = match Config::load(&cli.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    if cli.check {
        return report(&cli, &config);
    }
    log_to_stdout(cli.log);
    match server::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(cli: &Cli, config: &Config) -> ExitCode {
    for warning in &config.warnings {
        println!("warning: {warning}");
    }
    for (name, source) in &config.sources {
        println!("source \"{name}\": {}", Capacity::of(&source.store));
    }
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (routes, sources) = (counted(config.routes.len(), "route"), counted(config.sources.len(), "source"));
    println!("{}: good, with {routes} and {sources}", cli.config.display());
    ExitCode::SUCCESS
}

fn log_to_stdout(format: LogFormat) {
    // Pingora tells of its own start and stop at `info`; the gateway says what matters of that itself.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,pingora_core=warn,pingora_load_balancing=warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    match format {
        LogFormat::Text => subscriber.with_ansi(false).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}
