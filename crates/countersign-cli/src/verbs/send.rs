//! `countersign send`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use countersign::MessageId;
use countersign::gemini::EventKind;
use countersign_emulator::Event;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::exit::Outcome;
use crate::network::{self, NetworkArgs};
use crate::output::{Output, shown};
use crate::post::{Endpoint, Receipt};
use crate::signing::{Signing, SigningArgs};
use crate::verbs::sign::MessageArgs;
use crate::{input, random, time};

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
    /// The type of the event to send
    #[arg(long, value_name = "TYPE", required_unless_present = "body")]
    event: Option<String>,
    /// Returned with the event as its `data.user_metadata`
    #[arg(long, value_name = "JSON", requires = "event", value_parser = parse_object)]
    user_metadata: Option<Map<String, Value>>,
    /// Send this file, byte for byte, instead of an event; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "event")]
    body: Option<PathBuf>,
    #[command(flatten)]
    message: MessageArgs,
    /// An additional header, or another value for a header that is sent anyway
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// Send it this many times, with the same id, like retries
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Send all of them at once
    #[arg(long, requires = "repeat")]
    concurrent: bool,
    /// How long to wait for a response
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(crate) fn run(args: Args, out: &mut Output) -> Result<Outcome, Error> {
    input::stdin_once(args.signing.files().chain(&args.body).chain(args.network.files()))?;
    let client = args.network.client()?.timeout(args.timeout).connect_timeout(args.timeout);
    let endpoint = Endpoint::new(&args.url, client.max_idle_connections(IDLE_CONNECTIONS).build())?;
    let signing = args.signing.load()?;
    let id = args.message.id()?;
    let body: Bytes = match (&args.body, &args.event) {
        (Some(path), _) => input::read(path, input::BODY_LIMIT)?,
        (None, event) => {
            let event = event.as_deref().or(EventKind::BatchSucceeded.name()).unwrap_or_default();
            let event = Event::example(event, &random::short_name()?, args.message.timestamp());
            event.with_user_metadata(args.user_metadata.clone()).to_body()
        }
    }
    .into();
    let delivery = Delivery { endpoint, signing, id, body, message: args.message, extra: args.header };
    // A delivery that cannot be signed is a usage error, not a missing response.
    delivery.signing.sign(&delivery.id, delivery.message.timestamp(), &delivery.body)?;
    let runtime = network::runtime()?;

    out.print(&format!("{} to {}\n", delivery.id, shown(&args.url)))?;
    runtime.block_on(deliver(delivery, args.repeat, args.concurrent, out))
}

async fn deliver(delivery: Delivery, repeat: u32, concurrent: bool, out: &mut Output) -> Result<Outcome, Error> {
    let mut outcome = Outcome::Done;
    let mut report = |attempt: u32, result: Result<Receipt, String>| {
        if !result.as_ref().is_ok_and(|receipt| receipt.status.is_success()) {
            outcome = Outcome::Rejected;
        }
        out.print(&format!("{attempt}: {}\n", line(&result)))
    };
    if concurrent {
        let attempts: Vec<_> = (0..repeat)
            .map(|_| {
                let delivery = delivery.clone();
                tokio::spawn(async move { delivery.attempt().await })
            })
            .collect();
        for (number, attempt) in (1..).zip(attempts) {
            report(number, attempt.await.unwrap_or_else(|error| Err(error.to_string())))?;
        }
    } else {
        for number in 1..=repeat {
            report(number, delivery.attempt().await)?;
        }
    }
    Ok(outcome)
}

#[derive(Clone)]
struct Delivery {
    endpoint: Endpoint,
    signing: Signing,
    id: MessageId,
    body: Bytes,
    message: MessageArgs,
    extra: Vec<(HeaderName, HeaderValue)>,
}

impl Delivery {
    /// Each attempt has its own timestamp and signature.
    async fn attempt(&self) -> Result<Receipt, String> {
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (USER_AGENT, HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")))),
        ]);
        let signed = self.signing.sign(&self.id, self.message.timestamp(), &self.body);
        headers.extend(signed.map_err(|error| error.to_string())?);
        for (name, value) in &self.extra {
            headers.insert(name, value.clone());
        }
        self.endpoint.post(headers, self.body.clone()).await
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

fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("write a JSON object: {error}"))
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    let name = name.trim().parse().map_err(|_| "that is not a header name")?;
    Ok((name, value.trim().parse().map_err(|_| "that is not a header value")?))
}
