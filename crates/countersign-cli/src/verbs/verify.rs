//! `countersign verify`

use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock as _, SystemClock};
use countersign::verifier::DEFAULT_TOLERANCE;

use crate::capture::CaptureArgs;
use crate::error::Error;
use crate::exit::Outcome;
use crate::keys::KeyArgs;
use crate::network::NetworkArgs;
use crate::output::Output;
use crate::secrets::SecretArgs;
use crate::verdict::{self, verdict};
use crate::{input, time};

const EXAMPLE: &str = "\
Example:
  countersign verify --headers head.txt --body body.json --secret-file webhook.secret
  countersign verify --request captured.json --secret-env WEBHOOK_SECRET \\
    --now 2026-09-29T06:05:46Z
  countersign verify --request captured.json --audience https://hooks.example.com/gemini \\
    --jwks https://generativelanguage.googleapis.com/.well-known/jwks.json

Exit code: 0 if it verifies, 1 if it is rejected, 2 if it could not be checked.";

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
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

/// When the request arrived, and how far its timestamp may be off.
#[derive(clap::Args, Debug)]
pub(crate) struct ArrivalArgs {
    /// When the request arrived, in Unix seconds or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    now: Option<UnixTime>,
    /// How far its timestamp may be off
    #[arg(long, value_name = "TIME", default_value_t = DEFAULT_TOLERANCE.into(), value_parser = parse_tolerance)]
    tolerance: humantime::Duration,
}

impl ArrivalArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.now.is_some()
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.now.unwrap_or_else(|| SystemClock.now())
    }

    pub(crate) fn tolerance(&self) -> Duration {
        self.tolerance.into()
    }
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    input::stdin_once(
        args.capture.files().chain(args.secrets.files()).chain(args.keys.files()).chain(args.network.files()),
    )?;
    let secrets = args.secrets.secrets()?;
    let trust = args.keys.trust(&args.network)?;
    let trusting = trust.verifier(secrets, args.arrival.tolerance(), args.secrets.preset().names());
    let trusting = trusting.map_err(Error::Verifier)?;
    let now = args.arrival.now();
    let verdict = verdict(&trusting, &args.capture.read()?, now);
    match &verdict {
        _ if args.json => out.print_json(&verdict::as_json(&verdict))?,
        Ok(verified) => out.print(&verdict::describe(verified, now))?,
        Err(rejection) => out.print(&format!(
            "rejected: {}\n  {rejection}\n  `countersign explain` with the same arguments looks for the cause\n",
            rejection.reason()
        ))?,
    }
    Ok(if verdict.is_ok() { Outcome::Done } else { Outcome::Rejected })
}

fn parse_tolerance(text: &str) -> Result<humantime::Duration, String> {
    time::parse_duration(text).map(Into::into)
}
