//! Public keys: pinned ones, key sets, and what is asked of a token.

use std::path::PathBuf;
use std::time::Duration;

use countersign::key::PublicKeyError;
use countersign::{PublicKey, TokenPolicy};
use countersign_jwks::{self as jwks, JwksUrl};
use toml::{Spanned, Table, Value};

use super::error::Problem;
use super::hide::is_like_a_secret;
use super::limits::duration_or;
use super::unknown::hint;

const HOW_TO_PIN_A_KEY: &str = "a public key is \"whpk_…\", or { key = \"whpk_…\", label = \"NAME\" }";
const HOW_TO_NAME_A_SET: &str = "a key set is { url = \"https://…\" }, with `max_stale` and `ca` if need be";
const HOW_TO_ASK_OF_A_TOKEN: &str = "a token is taken with { audience = [\"the URL of this endpoint\"] }, with `issuer = […]` and `typ = […]` if need be";
const WHAT_BINDING_IS_FOR: &str = "a token that does not bind the body can be sent again with any other body by \
     whoever sees it: leave it out, or write `danger_body_binding = \"none\"`";
/// The shortest age up to which a set may serve: it is refreshed each minute at most.
const MIN_STALE: Duration = Duration::from_mins(2);

/// A key set, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksSpec {
    /// Where it is published.
    pub url: JwksUrl,
    /// How old it may become before its keys are no longer used.
    pub max_stale: Duration,
    /// The certificate authorities to trust, relative to the directory of the configuration. Default: the public ones.
    pub ca: Option<PathBuf>,
}

/// A pinned public key, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeySpec {
    /// The key, `whpk_…`.
    pub key: String,
    /// Its label in logs and headers. Default: its thumbprint.
    pub label: Option<String>,
}

/// What a token has to contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpec {
    /// The accepted audiences. A token must name one of them.
    pub audience: Vec<String>,
    /// The accepted issuers. Empty: any issuer.
    pub issuer: Vec<String>,
    /// Accepted values of `typ`, in addition to none and `JWT`.
    pub typ: Vec<String>,
    /// Whether tokens that do not bind the body are accepted.
    pub danger_unbound_bodies: bool,
}

impl JwksSpec {
    pub(super) fn read(entry: &Spanned<Value>) -> Result<Spanned<Self>, Problem> {
        let problem = |message: String| Problem::at(entry.span(), message);
        let table = table(entry, &["url", "max_stale", "ca"], HOW_TO_NAME_A_SET)?;
        let text = |key| text(table, key).map_err(problem);
        let url = text("url")?.ok_or_else(|| problem(HOW_TO_NAME_A_SET.into()))?;
        let url = JwksUrl::parse(url).map_err(|error| problem(format!("`url`: {error}")))?;
        let max_stale = text("max_stale")?.map(|text| Spanned::new(entry.span(), text.to_owned()));
        let max_stale = duration_or(max_stale.as_ref(), jwks::Config::DEFAULT_MAX_STALE)?;
        if max_stale < MIN_STALE {
            let message = format!("`max_stale` is {MIN_STALE:?} at least: keys are fetched once a minute at most");
            return Err(problem(message));
        }
        let ca = text("ca")?.map(PathBuf::from);
        Ok(Spanned::new(entry.span(), Self { url, max_stale, ca }))
    }
}

impl PublicKeySpec {
    /// The key, with its label.
    pub(crate) fn parse(&self) -> Result<PublicKey, PublicKeyError> {
        let key = PublicKey::parse(&self.key)?;
        Ok(match &self.label {
            Some(label) => key.labelled(label.as_str()),
            None => key,
        })
    }
}

impl TokenSpec {
    /// The policy that asks for this.
    pub(crate) fn policy(&self) -> TokenPolicy {
        let policy = TokenPolicy::new(self.audience.clone()).issuer(self.issuer.clone()).typ(self.typ.clone());
        if self.danger_unbound_bodies { policy.danger_accept_unbound_bodies() } else { policy }
    }
}

/// The pinned keys, each of which should be there once.
pub(super) fn public_keys(
    entries: &[Spanned<Value>],
    warnings: &mut Vec<Problem>,
) -> Result<Vec<PublicKeySpec>, Problem> {
    let (mut keys, mut thumbprints) = (Vec::new(), Vec::new());
    for entry in entries {
        let (key, thumbprint) = public_key(entry)?;
        if thumbprints.contains(&thumbprint) {
            warnings
                .push(Problem::at(entry.span(), "this public key is listed twice: remove one, or paste the right one"));
        }
        thumbprints.push(thumbprint);
        keys.push(key);
    }
    Ok(keys)
}

/// A pinned key, and its thumbprint.
fn public_key(entry: &Spanned<Value>) -> Result<(PublicKeySpec, String), Problem> {
    let problem = |message: String| Problem::at(entry.span(), message);
    let (key, label) = match entry.get_ref() {
        Value::String(key) => (key.as_str(), None),
        Value::Table(_) => {
            let table = table(entry, &["key", "label"], HOW_TO_PIN_A_KEY)?;
            let key = text(table, "key").map_err(problem)?.ok_or_else(|| problem(HOW_TO_PIN_A_KEY.into()))?;
            (key, text(table, "label").map_err(problem)?)
        }
        _ => return Err(problem(HOW_TO_PIN_A_KEY.into())),
    };
    let parsed = PublicKey::parse(key).map_err(|error| problem(error.to_string()))?;
    if label.is_some_and(is_like_a_secret) {
        return Err(problem("a label is shown, and this one looks like a secret".into()));
    }
    let spec = PublicKeySpec { key: key.to_owned(), label: label.map(str::to_owned) };
    Ok((spec, parsed.label().to_owned()))
}

/// Reads what a token has to contain.
pub(super) fn token(entry: &Spanned<Value>) -> Result<TokenSpec, Problem> {
    let problem = |message: &str| Problem::at(entry.span(), message);
    if let Value::Table(table) = entry.get_ref()
        && table.contains_key("body_binding")
    {
        return Err(problem(&format!("unknown key `body_binding`: {WHAT_BINDING_IS_FOR}")));
    }
    let table = table(entry, &["audience", "issuer", "typ", "danger_body_binding"], HOW_TO_ASK_OF_A_TOKEN)?;
    let audience = texts(table, "audience").map_err(|message| problem(&message))?;
    let issuer = texts(table, "issuer").map_err(|message| problem(&message))?;
    let typ = texts(table, "typ").map_err(|message| problem(&message))?;
    let is_odd = |text: &&String| text.trim() != text.as_str() || text.as_str() == "*";
    if let Some(text) = audience.iter().chain(&issuer).chain(&typ).find(is_odd) {
        let message =
            format!("{text:?} is compared as it is, so no token has it: write what the sender puts into its tokens");
        return Err(problem(&message));
    }
    if audience.is_empty() {
        return Err(problem(&format!("`audience` is missing or empty: {HOW_TO_ASK_OF_A_TOKEN}")));
    }
    let danger_unbound_bodies = match table.get("danger_body_binding") {
        None => false,
        Some(Value::String(binding)) if binding == "none" => true,
        Some(_) => return Err(problem(&format!("`danger_body_binding` is \"none\" or absent; {WHAT_BINDING_IS_FOR}"))),
    };
    Ok(TokenSpec { audience, issuer, typ, danger_unbound_bodies })
}

/// The table that an entry is, with no keys but these.
pub(super) fn table<'t>(entry: &'t Spanned<Value>, keys: &[&str], how: &str) -> Result<&'t Table, Problem> {
    let Value::Table(table) = entry.get_ref() else { return Err(Problem::at(entry.span(), how)) };
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(Problem::at(entry.span(), format!("unknown key \"{key}\"; {}: {how}", hint(key, keys)))),
        None => Ok(table),
    }
}

pub(super) fn text<'t>(table: &'t Table, key: &str) -> Result<Option<&'t str>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` is a text")),
    }
}

fn texts(table: &Table, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{key}` is a list of texts, like [\"https://hooks.example.com/gemini\"]");
    let values = match table.get(key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(wrong()),
    };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    values.iter().map(|value| text(value).ok_or_else(wrong)).collect()
}
