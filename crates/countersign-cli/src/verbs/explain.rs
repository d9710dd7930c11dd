//! `countersign explain`

use countersign::UnixTime;
use countersign_explain::{Case, Setup};

use super::verify::ArrivalArgs;
use crate::capture::CaptureArgs;
use crate::error::Error;
use crate::exit::Outcome;
use crate::keys::KeyArgs;
use crate::network::NetworkArgs;
use crate::output::Output;
use crate::report::Report;
use crate::secrets::{OtherSecretArgs, SecretArgs};
use crate::verdict::verdict;
use crate::{input, time};

/// The most candidates of one kind.
const MAX_CANDIDATES: usize = 64;

const EXAMPLE: &str = "\
Example:
  countersign explain --headers head.txt --body body.json --secret-file webhook.secret
  countersign explain --request captured.json --secret-env WEBHOOK_SECRET \\
    --now 2026-09-29T06:05:46Z --try-secret-env STAGING_SECRET
  countersign explain --request captured.json --audience https://hooks.example.com/gemini \\
    --jwks https://generativelanguage.googleapis.com/.well-known/jwks.json

Exit code: 0 if it verifies, 1 if it does not, 2 if it could not be checked.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    secrets: SecretArgs,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    arrival: ArrivalArgs,
    #[command(flatten)]
    others: OtherSecretArgs,
    /// The id of another delivery, to check for a mix-up
    #[arg(long, value_name = "ID")]
    try_id: Vec<String>,
    /// The timestamp of another delivery, to check for a mix-up
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    try_timestamp: Vec<UnixTime>,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(crate) fn run(args: Args, out: &mut Output) -> Result<Outcome, Error> {
    let keys = args.secrets.files().chain(args.keys.files()).chain(args.others.files()).chain(args.network.files());
    input::stdin_once(args.capture.files().chain(keys))?;
    for (name, count) in [("--try-id", args.try_id.len()), ("--try-timestamp", args.try_timestamp.len())] {
        at_most_candidates(name, count)?;
    }
    let setup = Setup {
        secrets: args.secrets.texts()?,
        trust: args.keys.trust(&args.network)?,
        names: args.secrets.preset().names(),
        tolerance: args.arrival.tolerance(),
    };
    let (capture, others, now) = (args.capture.read()?, args.others.texts()?, args.arrival.now());
    at_most_candidates("--try-secret", others.len())?;
    let verdict = verdict(&setup.verifier().map_err(Error::Verifier)?, &capture, now);
    let case = Case::new(capture, &setup, now).map_err(Error::Verifier)?;
    let case = case.other_secrets(others).other_ids(args.try_id).other_timestamps(args.try_timestamp);
    let case = if args.arrival.is_given() { case } else { case.looked_at_later() };
    let report = Report::of(&case, verdict, now);
    if args.json {
        out.print_json(&report.to_json())?;
    } else {
        out.print(&report.to_text())?;
    }
    Ok(if report.is_verified() { Outcome::Done } else { Outcome::Rejected })
}

fn at_most_candidates(name: &'static str, count: usize) -> Result<(), Error> {
    let problem = || format!("more than {MAX_CANDIDATES} values: try the likely ones");
    if count > MAX_CANDIDATES { Err(Error::Argument { name, problem: problem() }) } else { Ok(()) }
}
