//! `countersign sign`

use std::path::{Path, PathBuf};

use countersign::clock::{Clock as _, SystemClock};
use countersign::header::HeaderSet;
use countersign::{MessageId, UnixTime};
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::exit::Outcome;
use crate::output::Output;
use crate::signing::SigningArgs;
use crate::{input, random, time};

const EXAMPLE: &str = "\
Example:
  countersign sign body.json --secret-file webhook.secret
  countersign sign body.json --secret-file webhook.secret \\
    --curl https://hooks.example.com/gemini | sh
  countersign sign body.json --token-key-file rsa.pem --kid key-1 \\
    --audience https://hooks.example.com/gemini";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The body to sign, byte for byte; `-` is stdin
    #[arg(value_name = "FILE")]
    body: PathBuf,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    message: MessageArgs,
    /// Print a JSON object instead of lines
    #[arg(long, conflicts_with = "curl")]
    json: bool,
    /// Print a curl command that posts the body to this URL
    #[arg(long, value_name = "URL")]
    curl: Option<String>,
}

/// The options for what is signed beside the body.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct MessageArgs {
    /// The message id [default: a new one]
    #[arg(long)]
    id: Option<MessageId>,
    /// When it is sent, in Unix seconds or RFC 3339 [default: now]
    #[arg(long, alias = "now", value_name = "TIME", value_parser = time::parse)]
    timestamp: Option<UnixTime>,
}

impl MessageArgs {
    pub(crate) fn id(&self) -> Result<MessageId, Error> {
        self.id.clone().map_or_else(random::message_id, Ok)
    }

    pub(crate) fn timestamp(&self) -> UnixTime {
        self.timestamp.unwrap_or_else(|| SystemClock.now())
    }
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    input::stdin_once(args.signing.files().chain([&args.body]))?;
    let signing = args.signing.load()?;
    let body = input::read(&args.body, input::BODY_LIMIT)?;
    let headers = signing.sign(&args.message.id()?, args.message.timestamp(), &body)?;
    let headers = in_order(&headers, signing.names());
    match &args.curl {
        Some(url) => out.print(&curl(url, &headers, &args.body))?,
        None if args.json => out.print_json(&object(&headers))?,
        None => out.print(&lines(&headers))?,
    }
    Ok(Outcome::Done)
}

/// The three headers, in the order of the specification.
fn in_order(headers: &HeaderMap, names: &'static HeaderSet) -> Vec<(&'static str, String)> {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    names.names().map(|name| (name.as_str(), value(name))).into()
}

fn lines(headers: &[(&str, String)]) -> String {
    headers.iter().map(|(name, value)| [name, ": ", value, "\n"].concat()).collect()
}

fn object(headers: &[(&str, String)]) -> Map<String, Value> {
    headers.iter().map(|(name, value)| ((*name).into(), value.as_str().into())).collect()
}

fn curl(url: &str, headers: &[(&str, String)], body: &Path) -> String {
    let header = |(name, value): &(&str, String)| [" \\\n  -H ", &quoted(&format!("{name}: {value}"))].concat();
    let headers: String = headers.iter().map(header).collect();
    // `-d` would drop newlines, so that the sent body would differ from the signed one.
    let body = quoted(&format!("@{}", body.display()));
    format!("curl -sS {} \\\n  -H 'content-type: application/json'{headers} \\\n  --data-binary {body}\n", quoted(url))
}

/// Quotes one word of a shell command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
