//! `countersign explain`

use countersign::UnixTime;
use countersign::header::HeaderNames;

use super::verify::ArrivalArgs;
use crate::capture::CaptureArgs;
use crate::error::Error;
use crate::exit::Outcome;
use crate::explain::{Case, Report};
use crate::keys::KeyArgs;
use crate::network::NetworkArgs;
use crate::output::Output;
use crate::preset::as_standard;
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
    let (secrets, trust) = (args.secrets.texts()?, args.keys.trust(&args.network)?);
    let usable: Vec<_> = secrets.iter().filter_map(|text| text.read().ok()).collect();
    let (names, tolerance, now) = (args.secrets.preset().names(), args.arrival.tolerance(), args.arrival.now());
    let mut capture = args.capture.read()?;
    let verdict = verdict(&trust.verifier(usable.clone(), tolerance, names)?, &capture, now);
    capture.headers = as_standard(capture.headers, names);
    let case = Case {
        verifier: trust.verifier(usable, tolerance, HeaderNames::Webhook)?,
        secrets,
        trust,
        other_secrets: args.others.texts()?,
        capture,
        now,
        now_is_given: args.arrival.is_given(),
        tolerance,
        other_ids: args.try_id,
        other_timestamps: args.try_timestamp,
    };
    let candidates = [case.other_secrets.len(), case.other_ids.len(), case.other_timestamps.len()];
    if candidates.iter().any(|count| *count > MAX_CANDIDATES) {
        let problem = format!("more than {MAX_CANDIDATES} of a kind: try the likely ones");
        return Err(Error::Argument { name: "--try-…", problem });
    }
    let report = Report::of(&case, verdict);
    if args.json {
        out.print_json(&report.to_json(&case))?;
    } else {
        out.print(&report.to_text(&case))?;
    }
    Ok(if report.is_verified() { Outcome::Done } else { Outcome::Rejected })
}
