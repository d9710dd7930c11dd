//! `countersign completions`

use clap::Command;
use clap_complete::Shell;

use crate::error::Error;
use crate::exit::Outcome;
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  countersign completions bash > ~/.local/share/bash-completion/completions/countersign
  countersign completions zsh > ~/.zfunc/_countersign
  countersign completions fish > ~/.config/fish/completions/countersign.fish";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The shell that reads the script
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: Command, out: &mut Output) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "countersign", &mut script);
    out.print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
