//! The command `countersign-gateway`.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use countersign_gateway::check::Checked;
use countersign_gateway::log::{self, Log};
use countersign_gateway::process::survive_file_size_limit;
use countersign_gateway::{Config, doctor, health, migrate, run, version};
use countersign_jwks::JwksUrl;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Named here and not in the library, which would be built again after each commit.
const COMMIT: Option<&str> = countersign_commit::commit!();
static VERSION: LazyLock<String> = LazyLock::new(|| version::named(COMMIT));
static DESCRIPTION: LazyLock<String> = LazyLock::new(|| version::described(COMMIT));

/// How long the process waits at its end for its last output to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Forwards only verified webhooks to unmodified backends.
#[derive(Parser)]
#[command(
    version = VERSION.as_str(),
    long_version = DESCRIPTION.as_str(),
    after_help = "Exit codes: 0 stopped by a signal, the configuration is OK, no check failed, or the gateway is healthy; 1 error; 2 invalid arguments."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct Cli {
    /// The configuration, as TOML
    #[arg(long, value_name = "FILE", required_unless_present_any = ["schema", "health", "migrate_sql"])]
    config: Option<PathBuf>,
    /// Check the configuration and the secrets that it names, print warnings, and exit
    #[arg(long)]
    check: bool,
    /// Check this machine for the configuration: clock, open files, listeners, permissions, store, key sets and upstreams
    #[arg(long, conflicts_with = "check")]
    doctor: bool,
    /// Print the checks of `--doctor` as JSON
    #[arg(long, requires = "doctor")]
    json: bool,
    /// Compare the clock with that of the server at this URL. Default: the first key set, or the Gemini API
    #[arg(long, value_name = "URL", requires = "doctor")]
    clock: Option<JwksUrl>,
    /// Create the tables of the store, or bring them up to date, and exit: for `engine = "postgres"`
    #[arg(long, conflicts_with_all = ["check", "doctor"])]
    migrate: bool,
    /// Print the SQL that creates these tables, for a user who may create tables, and exit
    #[arg(long, conflicts_with_all = ["config", "check", "doctor", "migrate"])]
    migrate_sql: bool,
    /// Print the JSON Schema of the configuration, for editors and other tools, and exit
    #[arg(long, conflicts_with_all = ["config", "check", "doctor"])]
    schema: bool,
    /// Ask a running gateway for this path of its admin listener, and fail unless the status is 2xx
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "check", "doctor", "schema", "migrate", "migrate_sql"])]
    health: Option<String>,
    /// The format of log lines on standard output; `RUST_LOG` sets the level
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    version::built_from(COMMIT);
    let Cli { config, check, doctor, json, clock, migrate, migrate_sql, health, log, .. } = Cli::parse();
    let done = match (config, health) {
        (Some(file), _) if check => print_check(&file),
        (Some(file), _) if doctor => examine(&file, clock, json),
        (Some(file), _) if migrate => migrate_store(&file),
        (Some(file), _) => serve(&file, log),
        (None, Some(url)) => health::check(&url).map_err(|error| error.to_string()),
        (None, None) if migrate_sql => print_tables(),
        // Whether it is read does not change the outcome.
        (None, None) => Ok(_ = io::stdout().lock().write_all(Config::schema().as_bytes())),
    };
    done.map_or_else(|error| failure(&error), |()| ExitCode::SUCCESS)
}

fn print_check(file: &Path) -> Result<(), String> {
    let config = Config::load(file).map_err(|error| error.to_string())?;
    let checked = Checked::new(config).map_err(|error| error.to_string())?;
    // Whether it is read does not change the outcome.
    let _ = checked.print(file, std::env::var_os("RUST_LOG").as_deref(), &mut io::stdout().lock());
    Ok(())
}

fn examine(file: &Path, clock: Option<JwksUrl>, json: bool) -> Result<(), String> {
    let report = doctor::examine(file, clock).map_err(|error| format!("the runtime cannot be started: {error}"))?;
    let text = if json { format!("{:#}\n", report.json()) } else { report.text() };
    // Whether it is read does not change the outcome.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    match report.failures() {
        0 => Ok(()),
        1 => Err("1 check failed".to_owned()),
        failures => Err(format!("{failures} checks failed")),
    }
}

fn migrate_store(file: &Path) -> Result<(), String> {
    let config = Config::load(file).map_err(|error| error.to_string())?;
    migrate::run(&config).map_err(|error| error.to_string())?;
    // Whether it is read does not change the outcome.
    let _ = writeln!(io::stdout().lock(), "the tables of the store are up to date");
    Ok(())
}

fn print_tables() -> Result<(), String> {
    // Whether it is read does not change the outcome.
    let _ = io::stdout().lock().write_all(migrate::sql()?.as_bytes());
    Ok(())
}

fn serve(file: &Path, format: LogFormat) -> Result<(), String> {
    let config = Config::load(file).map_err(|error| error.to_string())?;
    let format = match format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    survive_file_size_limit();
    let log = Log::start(format, std::env::var_os("RUST_LOG").as_deref())
        .map_err(|error| format!("the log cannot be started: {error}"))?;
    let ended = run(&config, &log);
    log.flush(LAST_WORDS);
    ended.map_err(|error| error.to_string())
}

/// Prints the error to standard error, and waits for at most [`LAST_WORDS`] until it is read.
fn failure(error: &impl Display) -> ExitCode {
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
