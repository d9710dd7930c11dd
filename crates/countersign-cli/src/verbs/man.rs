//! `countersign man`

use std::path::PathBuf;

use clap::Command;

use crate::error::Error;
use crate::exit::Outcome;
use crate::input;

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
}

pub(crate) fn run(args: &Args, command: Command) -> Result<Outcome, Error> {
    let written = clap_mangen::generate_to(command, &args.folder);
    written.map_err(|error| Error::WriteFile { what: input::name(&args.folder), error })?;
    Ok(Outcome::Done)
}
