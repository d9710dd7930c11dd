//! Public keys: pinned ones, key sets, and what is asked of a token.

use std::path::Path;
use std::time::Duration;

use countersign::{PublicKey, SystemClock, TokenPolicy};
use countersign_jwks::{self as jwks, HttpFetch, Jwks, JwksUrl};
use toml::{Spanned, Table, Value};

use super::error::Problem;
use super::hide::{self, is_like_a_secret};
use super::limits::duration_or;
use super::unknown::hint;
use crate::source_keys::RemoteSet;

const HOW_TO_PIN_A_KEY: &str = "a public key is \"whpk_…\", or { key = \"whpk_…\", label = \"NAME\" }";
const HOW_TO_NAME_A_SET: &str = "a key set is { url = \"https://…\" }, with `max_stale` and `ca` if need be";
const HOW_TO_ASK_OF_A_TOKEN: &str = "a token is taken with { audience = [\"the URL of this endpoint\"] }, with `issuer = […]` and `typ = […]` if need be";
const WHAT_BINDING_IS_FOR: &str = "a token that does not bind the body can be sent again with any other body by \
     whoever sees it: leave it out, or write `danger_body_binding = \"none\"`";
/// The shortest age up to which a set may serve: it is refreshed each minute at most.
const MIN_STALE: Duration = Duration::from_mins(2);

/// The key sets that were named so far; sources with the same URL share one.
pub(super) struct RemoteSets<'f> {
    folder: &'f Path,
    known: Vec<Known>,
}

struct Known {
    options: Options,
    set: RemoteSet,
}

#[derive(PartialEq, Eq)]
struct Options {
    url: JwksUrl,
    max_stale: Duration,
    ca: Option<Vec<u8>>,
}

impl<'f> RemoteSets<'f> {
    /// None yet; certificates are looked for in `folder`.
    pub(super) fn new(folder: &'f Path) -> Self {
        Self { folder, known: Vec::new() }
    }

    /// The key set that this entry names. Nothing is fetched yet.
    pub(super) fn named(&mut self, entry: &Spanned<Value>) -> Result<RemoteSet, Problem> {
        let problem = |message: String| Problem::at(entry.span(), message);
        let options = Options::read(entry, self.folder)?;
        if let Some(known) = self.known.iter().find(|known| known.options.url == options.url) {
            return if known.options == options {
                Ok(known.set.clone())
            } else {
                Err(problem(
                    "another source names the same URL with another `max_stale` or `ca`: they share one key set, \
                     so write the same in both"
                        .into(),
                ))
            };
        }
        let fetch = match &options.ca {
            None => HttpFetch::new(options.url.clone()),
            Some(pem) => HttpFetch::with_ca(options.url.clone(), pem)
                .map_err(|error| problem(format!("`ca` holds no certificate authority in PEM: {error}")))?,
        };
        let set = Jwks::new(fetch, jwks::Config::default().max_stale(options.max_stale), SystemClock);
        self.known.push(Known { options, set: set.clone() });
        Ok(set)
    }

    /// All of them, each once.
    pub(super) fn into_sets(self) -> Vec<RemoteSet> {
        self.known.into_iter().map(|known| known.set).collect()
    }
}

impl Options {
    fn read(entry: &Spanned<Value>, folder: &Path) -> Result<Self, Problem> {
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
        let ca = text("ca")?.map(|path| {
            std::fs::read(folder.join(path)).map_err(|error| {
                let shown = folder.join(hide::path(path, folder)).display().to_string();
                problem(format!("`ca`: {shown} cannot be read: {error}")).showing(shown)
            })
        });
        Ok(Self { url, max_stale, ca: ca.transpose()? })
    }
}

/// The pinned keys, each of which should be there once.
pub(super) fn public_keys(entries: &[Spanned<Value>], warnings: &mut Vec<Problem>) -> Result<Vec<PublicKey>, Problem> {
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
fn public_key(entry: &Spanned<Value>) -> Result<(PublicKey, String), Problem> {
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
    let key = PublicKey::parse(key).map_err(|error| problem(error.to_string()))?;
    let thumbprint = key.label().to_owned();
    match label {
        None => Ok((key, thumbprint)),
        Some(label) if is_like_a_secret(label) => {
            Err(problem("a label is shown, and this one looks like a secret".into()))
        }
        Some(label) => Ok((key.labelled(label), thumbprint)),
    }
}

/// What is asked of a token, and whether it may leave the body open.
pub(super) fn token_policy(entry: &Spanned<Value>) -> Result<(TokenPolicy, bool), Problem> {
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
    let policy = TokenPolicy::new(audience).issuer(issuer).typ(typ);
    match table.get("danger_body_binding") {
        None => Ok((policy, false)),
        Some(Value::String(binding)) if binding == "none" => Ok((policy.danger_accept_unbound_bodies(), true)),
        Some(_) => Err(problem(&format!("`danger_body_binding` is \"none\" or absent; {WHAT_BINDING_IS_FOR}"))),
    }
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
