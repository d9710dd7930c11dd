//! References to secrets: a configuration names a secret and never contains one.

use countersign::UnixTime;
use toml::{Spanned, Value};

use super::error::Problem;
use super::hide::is_like_a_secret;
use super::keys::{table, text};

const HOW_TO_NAME_A_SECRET: &str = "a secret is not written here but named: { env = \"NAME\" } or { file = \"PATH\" }, with `label` and `expires_at` if need be";

/// Where to read a secret, and what is configured about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// Where the secret is stored.
    pub origin: SecretOrigin,
    /// Its label in logs and headers. Default: the name of the variable or file.
    pub label: Option<String>,
    /// When it expires, if it does.
    pub expires_at: Option<UnixTime>,
}

/// Where a secret is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// The environment variable with this name.
    Env(String),
    /// The file at this path, relative to the directory of the configuration.
    File(String),
}

impl SecretRef {
    pub(super) fn read(entry: &Spanned<Value>) -> Result<Spanned<Self>, Problem> {
        let problem = |message: &str| Problem::at(entry.span(), message);
        let table = table(entry, &["env", "file", "label", "expires_at"], HOW_TO_NAME_A_SECRET)?;
        let text = |key| text(table, key).map_err(|message| problem(&message));
        let origin = match (text("env")?, text("file")?) {
            (Some(name), None) => SecretOrigin::Env(name.to_owned()),
            (None, Some(path)) => SecretOrigin::File(path.to_owned()),
            _ => return Err(problem(HOW_TO_NAME_A_SECRET)),
        };
        let label = text("label")?.map(str::to_owned);
        if label.as_deref().is_some_and(is_like_a_secret) {
            return Err(problem("a label is shown, and this one looks like a secret"));
        }
        let expires_at = table.get("expires_at").map(expiry).transpose().map_err(problem)?;
        Ok(Spanned::new(entry.span(), Self { origin, label, expires_at }))
    }
}

fn expiry(value: &Value) -> Result<UnixTime, &'static str> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Datetime(time) => time.to_string(),
        _ => String::new(),
    };
    humantime::parse_rfc3339(&text)
        .map(UnixTime::from)
        .map_err(|_| "`expires_at` is a time in UTC, like \"2026-11-21T12:00:00Z\"")
}
