//! `countersign explain`

use std::fmt::Write as _;

use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{MessageId, Rejection, UnixTime, Verified};
use serde_json::{Value, json};

use super::verify::{self, ArrivalArgs};
use crate::capture::CaptureArgs;
use crate::error::Error;
use crate::exit::Outcome;
use crate::explain::{Budget, Case, Diagnosis, Token, diagnose};
use crate::keys::KeyArgs;
use crate::network::NetworkArgs;
use crate::output::{Output, shown};
use crate::secrets::{OtherSecretArgs, SecretArgs, SecretText};
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
    let usable = secrets.iter().filter_map(|text| text.read().ok());
    let case = Case {
        verifier: trust.verifier(usable, args.arrival.tolerance())?,
        secrets,
        trust,
        other_secrets: args.others.texts()?,
        capture: args.capture.read()?,
        now: args.arrival.now(),
        now_is_given: args.arrival.is_given(),
        tolerance: args.arrival.tolerance(),
        other_ids: args.try_id,
        other_timestamps: args.try_timestamp,
    };
    let candidates = [case.other_secrets.len(), case.other_ids.len(), case.other_timestamps.len()];
    if candidates.iter().any(|count| *count > MAX_CANDIDATES) {
        let problem = format!("more than {MAX_CANDIDATES} of a kind: try the likely ones");
        return Err(Error::Argument { name: "--try-…", problem });
    }
    let verdict = Verdict::of(&case);
    if let Verdict::Verified(verified) = verdict {
        if args.json {
            out.print_json(&verify::as_json(&Ok(verified)))?;
        } else {
            out.print(&verify::describe(&verified, case.now))?;
        }
        return Ok(Outcome::Done);
    }
    let diagnosis = diagnose(&case, Budget::default());
    if args.json {
        out.print_json(&as_json(&verdict, &case, &diagnosis))?;
    } else {
        out.print(&as_text(&verdict, &case, &diagnosis))?;
    }
    Ok(Outcome::Rejected)
}

enum Verdict {
    Verified(Verified),
    Rejected(Rejection),
    /// None of the secrets is usable, which is part of the explanation.
    NoSecret,
}

impl Verdict {
    fn of(case: &Case) -> Self {
        if !case.trust.is_given() && case.secrets.iter().all(|text| text.read().is_err()) {
            return Self::NoSecret;
        }
        verify::verdict(&case.verifier, &case.capture, case.now).map_or_else(Self::Rejected, Self::Verified)
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Verified(_) => "verified",
            Self::Rejected(rejection) => rejection.reason().as_str(),
            Self::NoSecret => "no_usable_secret",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Verified(_) => String::new(),
            Self::Rejected(rejection) => rejection.to_string(),
            Self::NoSecret => "none of the secrets is usable".into(),
        }
    }
}

fn as_text(verdict: &Verdict, case: &Case, diagnosis: &Diagnosis) -> String {
    let mut text = format!("rejected: {}\n  {}\n\nrequest\n", verdict.reason(), verdict.detail());
    for (name, value) in looked_at(case) {
        let _ = writeln!(text, "  {name:<11} {value}");
    }
    let budget = &diagnosis.budget;
    let _ = writeln!(text, "  {:<11} {} signatures, {} % of the budget", "tried", budget.trials(), budget.percent());
    if budget.is_cut() {
        text.push_str("  The search was stopped early: with a body of this size it would take too long.\n");
    }
    text.push_str("\nlikely causes\n");
    for (number, finding) in (1..).zip(&diagnosis.findings) {
        let certainty = finding.certainty.as_str();
        let _ = writeln!(text, "{number:>2}. {certainty}: {} [{}]", finding.title, finding.code);
        let _ = writeln!(text, "    {}\n    -> {}", finding.evidence, finding.advice);
    }
    text
}

fn as_json(verdict: &Verdict, case: &Case, diagnosis: &Diagnosis) -> Value {
    let looked_at: serde_json::Map<_, Value> =
        looked_at(case).into_iter().map(|(name, value)| (name.replace(' ', "_"), value.into())).collect();
    json!({
        "verdict": "rejected",
        "reason": verdict.reason(),
        "detail": verdict.detail(),
        "looked_at": looked_at,
        "trials": diagnosis.budget.trials(),
        "budget_percent": diagnosis.budget.percent(),
        "gave_up": diagnosis.budget.is_cut(),
        "findings": diagnosis.findings,
    })
}

fn looked_at(case: &Case) -> Vec<(&'static str, String)> {
    let present = |name, describe: &dyn Fn(&str) -> String| {
        let is_there = case.capture.headers.contains_key(name);
        if is_there { describe(&case.header(name)) } else { "missing".into() }
    };
    let id = |text: &str| match MessageId::parse(text) {
        Ok(id) => id.to_string(),
        Err(_) => format!("`{}`, which is not a valid id", shown(text)),
    };
    let timestamp = |text: &str| match text.parse() {
        Ok(secs) => time::described(secs, case.now),
        Err(_) => format!("`{}`, which is not a number", shown(text)),
    };
    let body = &case.capture.body;
    let kind = match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => "JSON",
        Err(_) if str::from_utf8(body).is_ok() => "text, not JSON",
        Err(_) => "not UTF-8",
    };
    let secrets = case.secrets.iter().map(|secret| describe_secret(secret, case.now));
    let labels = |scheme| case.trust.labels(scheme).map(move |label| format!("`{}` ({scheme})", shown(label)));
    let mut looked_at = vec![
        ("message id", present(&WEBHOOK_ID, &id)),
        ("timestamp", present(&WEBHOOK_TIMESTAMP, &timestamp)),
        ("signatures", present(&WEBHOOK_SIGNATURE, &signatures)),
        ("body", format!("{} bytes, {kind}", body.len())),
        ("secrets", secrets.collect::<Vec<_>>().join(", ")),
        ("public keys", labels("v1a").chain(labels("rs256")).collect::<Vec<_>>().join(", ")),
        ("audience", shown(&case.trust.audience.join(", "))),
    ];
    looked_at.retain(|(_, value)| !value.is_empty());
    looked_at
}

fn signatures(header: &str) -> String {
    if let Some(token) = Token::read(header) {
        return token.summary();
    }
    let words: Vec<_> = header.split(' ').filter(|word| !word.is_empty()).collect();
    let forms = words.iter().map(|word| match word.split_once(',') {
        Some((version, encoded)) => format!("{} with {} characters", shown(version), encoded.len()),
        None => format!("{} characters without a version", word.len()),
    });
    format!("{}: {}", words.len(), forms.take(4).collect::<Vec<_>>().join("; "))
}

fn describe_secret(secret: &SecretText, now: UnixTime) -> String {
    let state = match secret.read() {
        Err(_) => " (unusable)",
        Ok(_) if secret.expires_at.is_some_and(|at| at <= now) => " (expired)",
        Ok(_) => "",
    };
    format!("`{}`{state}", secret.label)
}
