//! `countersign store`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use countersign::clock::{Clock as _, SystemClock};
use countersign_sqlite::inspect::{self, CheckReport, InspectError, VacuumReport};
use serde_json::{Value, json};

use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{Output, complain, shown};
use crate::store;

const EXAMPLE: &str = "\
Example:
  countersign store stats /var/lib/countersign/store.db
  countersign store check /var/lib/countersign/store.db

`check` and `stats` read the file while a gateway uses it. `vacuum` needs the gateway to be stopped:
freed pages are used again, so it is useful only after an unusual load.

Exit code: 0 if it is done and the file is sound, 1 if the file is damaged or in use, 2 if it
cannot be read or is no store of this version.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: StoreVerb,
}

#[derive(Debug, Subcommand)]
enum StoreVerb {
    /// Checks the structure of the file, and whether its tables fit together
    Check(FileArgs),
    /// Counts message ids, messages and deliveries, by source, destination and state
    Stats(FileArgs),
    /// Gives free pages back to the disk. It is refused while another process uses the file
    Vacuum(FileArgs),
}

#[derive(clap::Args, Debug)]
struct FileArgs {
    /// The SQLite file: `path` of [store] in the gateway's configuration
    file: PathBuf,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    match &args.verb {
        StoreVerb::Check(FileArgs { file, json }) => match inspect::check(file) {
            Ok(report) => checked(file, &report, *json, out),
            Err(InspectError::Damaged(error)) if *json => {
                out.print_json(&json!({ "schema_version": Value::Null, "problems": [error.to_string()] }))?;
                Ok(Outcome::Rejected)
            }
            Err(error) => failed(file, &error),
        },
        StoreVerb::Stats(FileArgs { file, json }) => {
            let now = SystemClock.now();
            match inspect::stats(file, now) {
                Ok(stats) if *json => out.print_json(&store::document(&stats)).map(|()| Outcome::Done),
                Ok(stats) => out.print(&store::text(&stats, now)).map(|()| Outcome::Done),
                Err(error) => failed(file, &error),
            }
        }
        StoreVerb::Vacuum(FileArgs { file, json }) => match inspect::vacuum(file) {
            Ok(VacuumReport { before, after, .. }) if *json => {
                out.print_json(&json!({ "before": before, "after": after })).map(|()| Outcome::Done)
            }
            Ok(VacuumReport { before, after, .. }) => {
                let text = format!("{} before, {} now\n", store::size(before), store::size(after));
                out.print(&text).map(|()| Outcome::Done)
            }
            Err(error) => failed(file, &error),
        },
    }
}

fn checked(file: &Path, report: &CheckReport, json: bool, out: &mut Output) -> Result<Outcome, Error> {
    let CheckReport { schema_version, problems, .. } = report;
    let outcome = if problems.is_empty() { Outcome::Done } else { Outcome::Rejected };
    if json {
        out.print_json(&json!({ "schema_version": schema_version, "problems": problems }))?;
        return Ok(outcome);
    }
    let file = shown(&file.display().to_string());
    let text = match problems.as_slice() {
        [] => format!("{file}: sound (schema version {schema_version})\n"),
        problems => {
            let lines: Vec<_> = problems.iter().map(|problem| format!("{file}: {}\n", shown(problem))).collect();
            lines.concat()
        }
    };
    out.print(&text)?;
    Ok(outcome)
}

fn failed(file: &Path, error: &InspectError) -> Result<Outcome, Error> {
    let what = file.display().to_string();
    match error {
        InspectError::Damaged(_) | InspectError::InUse | InspectError::NoRoom => {
            complain(&format!("{}: {error}", shown(&what)));
            Ok(Outcome::Rejected)
        }
        error => Err(Error::Unusable { what: shown(&what), problem: error.to_string() }),
    }
}
