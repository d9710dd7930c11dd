//! `countersign secret new`

use std::collections::BTreeMap;

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::exit::Outcome;
use crate::output::Output;
use crate::random;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: SecretVerb,
}

#[derive(Debug, Subcommand)]
enum SecretVerb {
    /// Prints a new secret
    #[command(after_help = "Example:\n  countersign secret new > webhook.secret")]
    New {
        /// The number of random bytes
        #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u8).range(24..=64))]
        bytes: u8,
        /// Print a JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    let SecretVerb::New { bytes, json } = args.verb;
    let mut key = Zeroizing::new(vec![0; bytes.into()]);
    random::fill(&mut key)?;
    let mut line = countersign::secret::encode(&key);
    if json {
        out.print_json(&BTreeMap::from([("secret", line.as_str())]))?;
    } else {
        line.push('\n');
        out.print(&line)?;
    }
    Ok(Outcome::Done)
}
