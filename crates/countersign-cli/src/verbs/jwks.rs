//! `countersign jwks show`

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
use crate::output::{Output, shown};

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
    /// Why it should not be trusted, although it is usable.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Outcome, Error> {
    let JwksVerb::Show { source, json, network } = &args.verb;
    input::stdin_once(network.files().chain([source]))?;
    let document = key_set::read(source, network)?;
    let is_usable = !key_set::parse(source, &document)?.is_empty();
    let mut rows = rows(&document);
    let mut ed25519 = rows.iter_mut().filter(|row| row.scheme == Some("v1a"));
    for row in ed25519.by_ref().skip(MAX_ED25519_KEYS) {
        row.problem = Some(format!("{MAX_ED25519_KEYS} Ed25519 keys come before it, and no more are tried"));
        row.scheme = None;
    }
    if *json {
        out.print_json(&json!({ "keys": rows }))?;
    } else {
        out.print(&table(&rows))?;
    }
    Ok(if is_usable { Outcome::Done } else { Outcome::Rejected })
}

fn rows(document: &[u8]) -> Vec<Row> {
    let document: Map<String, Value> = serde_json::from_slice(document).unwrap_or_default();
    let keys = document.get("keys").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    (1..).zip(keys).map(|(number, key)| row(number, key)).collect()
}

/// The core decides whether a key is usable: it parses a set of that key alone.
fn row(number: usize, key: &Value) -> Row {
    let alone = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap_or_default();
    let warning = is_private(key).then_some(PRIVATE);
    if let Some((label, scheme)) = alone.labels().next() {
        return Row { key: label.into(), scheme: Some(scheme), problem: None, warning };
    }
    let name = key.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty());
    let name = name.map_or_else(|| format!("(key number {number})"), shown);
    Row { key: name, scheme: None, problem: Some(problem(key)), warning }
}

const PRIVATE: &str = "its private half is published, so anyone can sign with it: do not trust it; its sender must replace the key, and \
                       publish only the public half";

/// Whether the members of a private key are there.
fn is_private(key: &Value) -> bool {
    let is_public_kind = key.get("kty").and_then(Value::as_str) != Some("oct");
    is_public_kind && ["d", "p", "q", "dp", "dq", "qi"].iter().any(|name| key.get(*name).is_some())
}

/// A member that must be text, and is not.
fn not_text(key: &Value) -> Option<String> {
    let names = ["kty", "kid", "use", "alg", "crv", "x", "n", "e"];
    let name =
        names.into_iter().find(|name| key.get(*name).is_some_and(|value| !value.is_string() && !value.is_null()))?;
    let optional = if name == "kid" { ", or leave it out (`v1a` does not need one)" } else { "" };
    Some(format!("its `{name}` is not text: the publisher must put it in quotes{optional}"))
}

/// Why a key is skipped, in the order of the core's checks.
fn problem(key: &Value) -> String {
    let text = |name| key.get(name).and_then(Value::as_str);
    let ops = key.get("key_ops").and_then(Value::as_array);
    let (kind, curve, alg) = (text("kty").unwrap_or_default(), text("crv").unwrap_or_default(), text("alg"));
    if let Some(problem) = not_text(key) {
        return problem;
    }
    match (kind, text("use")) {
        _ if !key.is_object() => "it is not a JSON object".into(),
        ("rsa" | "okp" | "ec" | "OCT", _) => format!("its `kty` is `{kind}`, which is written in the other case"),
        ("", _) => "it does not say what kind it is (`kty`)".into(),
        (_, Some(usage)) if usage != "sig" => {
            format!("it is not for signatures: use is `{}`", shown(usage))
        }
        _ if ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify")) => {
            "it is not for verifying: `key_ops` says so".into()
        }
        ("OKP" | "EC", _) if curve != "Ed25519" => {
            format!("its curve is `{}`, but `v1a` uses Ed25519", shown(curve))
        }
        ("oct", _) => "it is a shared secret, which must never be published".into(),
        ("OKP" | "RSA", _) if alg.is_some() => match (kind, alg) {
            ("OKP", Some("EdDSA" | "Ed25519")) => weak_ed25519(key),
            ("RSA", Some("RS256")) => weak_rsa(key),
            (_, alg) => format!("it is for another algorithm: `{}`", shown(alg.unwrap_or_default())),
        },
        ("OKP", _) => weak_ed25519(key),
        ("RSA", _) => weak_rsa(key),
        (kind, _) => format!("keys of the kind `{}` are not used", shown(kind)),
    }
}

fn weak_ed25519(key: &Value) -> String {
    match bytes(key, "x") {
        Some(bytes) if bytes.len() == 32 => {
            "it is not a point of the curve, or a weak one, under which everybody could sign".into()
        }
        _ if key.get("x").and_then(Value::as_str).is_some_and(|x| x.contains(['+', '/', '='])) => {
            "its `x` is not base64url of 32 bytes: it is in standard base64".into()
        }
        _ => "its `x` is not base64url of 32 bytes".into(),
    }
}

fn weak_rsa(key: &Value) -> String {
    if key.get("n").is_none() && key.get("x5c").is_some() {
        return "it has a certificate (`x5c`), but no `n` and `e`: certificates are not read".into();
    }
    let (Some(n), Some(_)) = (bytes(key, "n"), bytes(key, "e")) else {
        return "its `n` or `e` is not base64url".into();
    };
    let n = &n[n.iter().take_while(|byte| **byte == 0).count()..];
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        format!("it has {bits} bits; 2048 to 8192 are accepted")
    } else if key.get("kid").is_none_or(|kid| !kid.is_string()) {
        "it has no `kid`, so no token can name it".into()
    } else {
        "its numbers are not a sound key".into()
    }
}

fn bytes(key: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok()
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.key.chars().count()).chain([3]).max().unwrap_or_default();
    let usable = rows.iter().filter(|row| row.scheme.is_some()).count();
    let lines = rows.iter().map(|row| {
        let scheme = row.scheme.unwrap_or("-");
        let state = row.problem.as_ref().map_or_else(|| "usable".into(), |problem| format!("skipped: {problem}"));
        let warning = row.warning.map(|warning| format!("; warning: {warning}")).unwrap_or_default();
        format!("{:<width$}  {scheme:<6}  {state}{warning}\n", row.key)
    });
    let head = format!("{:<width$}  SCHEME  STATE\n", "KEY");
    let count = match rows.len() {
        0 => "the set is empty: its publisher lists no key\n".into(),
        len => format!("{usable} of {len} keys are usable\n"),
    };
    [head].into_iter().chain(lines).chain([count]).collect()
}
