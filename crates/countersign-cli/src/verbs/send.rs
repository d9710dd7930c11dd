//! `countersign send`

use std::fmt::Write as _;
use std::time::Duration;

use countersign::MessageId;
use countersign::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::bench::Pace;
use crate::delivery::{Content, ContentArgs};
use crate::error::Error;
use crate::exit::Outcome;
use crate::network::{self, NetworkArgs};
use crate::output::{Output, shown};
use crate::post::{Endpoint, Receipt};
use crate::signing::{Signing, SigningArgs};
use crate::verbs::sign::MessageArgs;
use crate::{input, time};

/// How many connections are kept between attempts.
const IDLE_CONNECTIONS: usize = 16;

const EXAMPLE: &str = "\
Example:
  countersign send http://127.0.0.1:8080/gemini --event batch.succeeded \\
    --secret-file webhook.secret

Event types:
  batch.succeeded batch.cancelled batch.expired batch.failed
  interaction.requires_action interaction.completed interaction.cancelled interaction.failed
  video.generated
Any other type is sent with only an id as its data.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The http or https URL to post to
    url: String,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    content: ContentArgs,
    #[command(flatten)]
    message: MessageArgs,
    /// Send it this many times, with the same id, like retries
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Send all of them at once
    #[arg(long, requires = "repeat", conflicts_with = "rate")]
    concurrent: bool,
    /// Send this many per second, without waiting for responses
    #[arg(long, value_name = "N", requires = "repeat", value_parser = parse_rate)]
    rate: Option<f64>,
    /// How long to wait for a response
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time::parse_duration)]
    timeout: Duration,
    /// Print a JSON object at the end instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    input::stdin_once(args.signing.files().chain(args.content.files()).chain(args.network.files()))?;
    let client = args.network.client()?.timeout(args.timeout).connect_timeout(args.timeout);
    let endpoint = Endpoint::new(&args.url, client.max_idle_connections(IDLE_CONNECTIONS).build())?;
    let content = args.content.load(args.message.timestamp())?;
    let delivery = Delivery {
        endpoint,
        signing: args.signing.load()?,
        id: args.message.id()?,
        content,
        message: args.message.clone(),
    };
    // A delivery that cannot be signed is a usage error, not a missing response.
    delivery.signing.sign(&delivery.id, delivery.message.timestamp(), &delivery.content.body)?;
    let runtime = network::runtime()?;

    let id = delivery.id.clone();
    if !args.json {
        out.print(&format!("{id} to {}\n", shown(&args.url)))?;
    }
    let mut attempts = Vec::new();
    let mut outcome = Outcome::Done;
    runtime.block_on(deliver(args, delivery, &mut |attempt, result| {
        if !result.as_ref().is_ok_and(|receipt| receipt.status.is_success()) {
            outcome = Outcome::Rejected;
        }
        if args.json {
            attempts.push(object(attempt, &result));
            return Ok(());
        }
        out.print(&format!("{attempt}: {}\n", line(&result)))
    }))?;
    if args.json {
        out.print_json(&json!({ "url": args.url, "message_id": id.as_str(), "attempts": attempts }))?;
    }
    Ok(outcome)
}

type Report<'r> = dyn FnMut(u32, Result<Receipt, String>) -> Result<(), Error> + 'r;

async fn deliver(args: &Args, delivery: Delivery, report: &mut Report<'_>) -> Result<(), Error> {
    if !args.concurrent && args.rate.is_none() {
        for number in 1..=args.repeat {
            report(number, delivery.attempt().await)?;
        }
        return Ok(());
    }
    let pace = Pace { rate: args.rate, duration: None, requests: None };
    let started = SystemClock.instant();
    let mut attempts: Vec<JoinHandle<_>> = Vec::new();
    for number in 0..args.repeat {
        let elapsed = SystemClock.instant().saturating_duration_since(started);
        let due = pace.due(number.into(), elapsed).unwrap_or_default();
        let wait = due.saturating_sub(elapsed);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let delivery = delivery.clone();
        attempts.push(tokio::spawn(async move { delivery.attempt().await }));
    }
    for (number, attempt) in (1..).zip(attempts) {
        report(number, attempt.await.unwrap_or_else(|error| Err(error.to_string())))?;
    }
    Ok(())
}

#[derive(Clone)]
struct Delivery {
    endpoint: Endpoint,
    signing: Signing,
    id: MessageId,
    content: Content,
    message: MessageArgs,
}

impl Delivery {
    /// Each attempt has its own timestamp and signature.
    async fn attempt(&self) -> Result<Receipt, String> {
        self.content.post(&self.endpoint, &self.signing, &self.id, self.message.timestamp()).await
    }
}

fn line(result: &Result<Receipt, String>) -> String {
    let receipt = match result {
        Ok(receipt) => receipt,
        Err(error) => return format!("no response: {}", shown(error)),
    };
    let mut line = receipt.status.to_string();
    if let Some(outcome) = &receipt.outcome {
        let _ = write!(line, ", countersign-outcome: {}", shown(outcome));
    }
    for part in receipt.problem.iter().flat_map(|problem| [&problem.code, &problem.detail]).flatten() {
        let _ = write!(line, ", {}", shown(part));
    }
    line
}

fn object(attempt: u32, result: &Result<Receipt, String>) -> Value {
    let receipt = result.as_ref().ok();
    let problem = receipt.and_then(|receipt| receipt.problem.as_ref());
    json!({
        "attempt": attempt,
        "status": receipt.map(|receipt| receipt.status.as_u16()),
        "outcome": receipt.and_then(|receipt| receipt.outcome.as_deref()),
        "code": problem.and_then(|problem| problem.code.as_deref()),
        "detail": problem.and_then(|problem| problem.detail.as_deref()),
        "error": result.as_ref().err(),
    })
}

/// Parses a number of requests per second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "write a number of requests per second, from 0.001 to 1000000".into())
}
