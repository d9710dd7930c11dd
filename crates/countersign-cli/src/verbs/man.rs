//! `countersign man`

use std::path::PathBuf;

use clap::Command;
use serde_json::json;

use crate::error::Error;
use crate::exit::Outcome;
use crate::input;
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  countersign man ~/.local/share/man/man1
  man countersign-explain";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The folder for the pages, one for each verb. It has to exist
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Print a JSON object with the names of the written pages
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, command: Command, out: &mut Output) -> Result<Outcome, Error> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let pages = pages(&command);
    let written = clap_mangen::generate_to(command, &args.folder);
    written.map_err(|error| Error::WriteFile { what: input::name(&args.folder), error })?;
    if args.json {
        out.print_json(&json!({ "pages": pages }))?;
    }
    Ok(Outcome::Done)
}

/// The names of the pages of a command and its verbs.
fn pages(command: &Command) -> Vec<String> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).flat_map(pages);
    std::iter::once(format!("{name}.1")).chain(verbs).collect()
}
