//! `countersign jwks show`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Subcommand;
use countersign::KeySet;
use countersign::verifier::MAX_ED25519_KEYS;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::exit::Outcome;
use crate::input;
use crate::key_set;
use crate::network::NetworkArgs;
use crate::output::{self, Output, shown};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: JwksVerb,
}

#[derive(Debug, Subcommand)]
enum JwksVerb {
    /// Prints the keys of a set, and which of them are usable
    #[command(after_help = EXAMPLE)]
    Show {
        /// A file, `-` for stdin, or a URL (https, or http to this machine)
        #[arg(value_name = "FILE|URL")]
        source: PathBuf,
        /// Print a JSON object instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

const EXAMPLE: &str = "\
Example:
  countersign jwks show https://generativelanguage.googleapis.com/.well-known/jwks.json
  countersign jwks show keys.json --json

Exit code: 0 if a key is usable, 1 if none is, 2 if the set cannot be read.";

/// A listed key, and whether it is usable.
#[derive(Serialize)]
struct Row {
    key: String,
    /// The scheme that it verifies, if it is usable.
    scheme: Option<&'static str>,
    /// Why it is skipped.
    problem: Option<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    let JwksVerb::Show { source, json, network } = &args.verb;
    input::stdin_once(network.files().chain([source]))?;
    let document = key_set::read(source, network)?;
    let set = key_set::parse(source, &document)?;
    let mut rows = rows(&document, &set);
    let mut ed25519 = rows.iter_mut().filter(|row| row.scheme == Some("v1a"));
    for row in ed25519.by_ref().skip(MAX_ED25519_KEYS) {
        row.problem = Some(format!("{MAX_ED25519_KEYS} Ed25519 keys come before it, and no more are tried"));
        row.scheme = None;
    }
    for kid in repeated(&document) {
        output::complain(&format_args!(
            "warning: two different keys have the `kid` `{}`: a token can name only one",
            shown(&kid)
        ));
    }
    if *json {
        out.print_json(&json!({ "keys": rows }))?;
    } else {
        out.print(&table(&rows))?;
    }
    Ok(if set.is_empty() { Outcome::Rejected } else { Outcome::Done })
}

fn rows(document: &[u8], set: &KeySet) -> Vec<Row> {
    (1..).zip(&keys(document)).map(|(place, key)| row(place, key, set)).collect()
}

fn keys(document: &[u8]) -> Vec<Value> {
    let mut document: Map<String, Value> = serde_json::from_slice(document).unwrap_or_default();
    match document.remove("keys") {
        Some(Value::Array(keys)) => keys,
        _ => Vec::new(),
    }
}

/// The ids that different keys share.
fn repeated(document: &[u8]) -> BTreeSet<String> {
    let keys = keys(document);
    let kid = |key: &Value| key.get("kid").and_then(Value::as_str).map(str::to_owned);
    let is_shared = |(at, key): &(usize, &Value)| {
        let mut before = keys[..*at].iter();
        kid(key).is_some()
            && before
                .any(|other| kid(other) == kid(key) && ["n", "x"].iter().any(|name| other.get(name) != key.get(name)))
    };
    keys.iter().enumerate().filter(is_shared).filter_map(|(_, key)| kid(key)).collect()
}

fn row(place: usize, key: &Value, set: &KeySet) -> Row {
    if let Some(skipped) = set.skipped().iter().find(|skipped| skipped.place() == place) {
        let kid = skipped.kid().filter(|kid| !kid.is_empty());
        let key = kid.map_or_else(|| format!("(key number {place})"), str::to_owned);
        return Row { key, scheme: None, problem: Some(skipped.reason().to_owned()) };
    }
    // A key that the document lists twice is in the set once, so its label comes from a set of that key alone.
    let alone = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap_or_default();
    let (key, scheme) = alone.labels().next().unwrap_or_default();
    Row { key: key.to_owned(), scheme: Some(scheme), problem: None }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.key.chars().count()).chain([3]).max().unwrap_or_default();
    let usable = rows.iter().filter(|row| row.scheme.is_some()).count();
    let lines = rows.iter().map(|row| {
        let scheme = row.scheme.unwrap_or("-");
        let state = row.problem.as_ref().map_or_else(|| "usable".into(), |problem| format!("skipped: {problem}"));
        format!("{:<width$}  {scheme:<6}  {state}\n", row.key)
    });
    let head = format!("{:<width$}  SCHEME  STATE\n", "KEY");
    let count = match rows.len() {
        0 => "the set is empty: its publisher lists no key\n".into(),
        len => format!("{usable} of {len} keys are usable\n"),
    };
    [head].into_iter().chain(lines).chain([count]).collect()
}
