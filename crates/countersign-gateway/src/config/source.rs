use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::verifier::DEFAULT_TOLERANCE;
use countersign::{MemoryStore, Secret, UnixTime, Verifier};
use countersign_jwks::RemoteKeys;
use countersign_tower::VerifyLayer;
use toml::{Spanned, Value};

use super::capacity::Capacity;
use super::error::{Problem, is_like_a_secret};
use super::keys::{RemoteSets, public_key, table, text, token_policy};
use super::{duration_or, file};
use crate::fullness::Fullness;
use crate::keys::Keys;

const HOW_TO_NAME_A_SECRET: &str = "a secret is not written here but named: { env = \"NAME\" } or { file = \"PATH\" }, with `label` and `expires_at` if need be";

/// Who signs: keys, and the memory of what was delivered.
#[derive(Debug)]
pub struct Source {
    /// Whom it trusts.
    pub keys: Keys,
    /// Whether it can verify nothing before its key set is there: it has no secret and no pinned key.
    pub depends_on_remote: bool,
    /// Remembers the source's deliveries.
    pub store: Arc<MemoryStore>,
    /// Whether that is full.
    pub fullness: Fullness,
    /// How long a claim holds.
    pub lease: Duration,
}

impl file::Source {
    pub(super) fn resolve(
        self,
        name: &Spanned<String>,
        folder: &Path,
        sets: &mut RemoteSets<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Source, Problem> {
        if is_like_a_secret(name.get_ref()) {
            return Err(Problem::at(name.span(), "the name of a source is shown, and this one looks like a secret"));
        }
        let has_own_keys = !self.secrets.is_empty() || !self.public_keys.is_empty();
        if !has_own_keys && self.jwks.is_none() {
            let message = format!(
                "the source `{}` has no secrets, no public_keys and no jwks, so nothing could be verified",
                name.get_ref()
            );
            return Err(Problem::at(name.span(), message));
        }
        let tolerance = duration_or(self.tolerance.as_ref(), DEFAULT_TOLERANCE)?;
        let verifier = self.verifier(name, folder, tolerance, warnings)?;
        let retain = duration_or(self.replay.retain.as_ref(), MemoryStore::DEFAULT_RETAIN)?;
        let life = verifier.longest_life();
        // The default of one of them is long enough for the default of the other.
        if let Some(at) = self.replay.retain.as_ref().or(self.tolerance.as_ref()).filter(|_| retain < life) {
            let why = if self.token.is_some() {
                "a token without `iat` may be good for 24 h, a leeway of 1 min and the tolerance, or a signature for \
                 twice the tolerance"
            } else {
                "a signature is good for twice the tolerance"
            };
            let message = format!(
                "ids are forgotten after {retain:?}, but with a tolerance of {tolerance:?} a request of `{}` may be \
                 accepted for {life:?} ({why}), so a replay in between would be forwarded: set `retain` to {life:?} \
                 or more",
                name.get_ref()
            );
            return Err(Problem::at(at.span(), message));
        }
        let (store, lease) = self.replay.resolve(name.get_ref(), warnings)?;
        let keys = match &self.jwks {
            None => Keys::Fixed(verifier),
            Some(entry) => Keys::Remote(RemoteKeys::new(verifier, sets.named(entry)?)),
        };
        let store = Arc::new(store);
        let fullness = Fullness::new(name.get_ref().clone(), Arc::clone(&store));
        Ok(Source { keys, depends_on_remote: !has_own_keys, store, fullness, lease })
    }

    /// What does not change by itself.
    fn verifier(
        &self,
        name: &Spanned<String>,
        folder: &Path,
        tolerance: Duration,
        warnings: &mut Vec<String>,
    ) -> Result<Verifier, Problem> {
        let mut builder = Verifier::builder(name.get_ref().as_str()).tolerance(tolerance);
        for entry in &self.secrets {
            let secret = secret(entry, folder)?;
            if secret.is_short() {
                let label = secret.label().unwrap_or_default();
                warnings.push(format!("the secret `{label}` of `{}` is shorter than 24 bytes", name.get_ref()));
            }
            builder = builder.secret(secret);
        }
        let pinned: Vec<_> = self.public_keys.iter().map(public_key).collect::<Result<_, _>>()?;
        builder = builder.public_keys(pinned);
        if let Some(entry) = &self.token {
            let (policy, leaves_body_open) = token_policy(entry)?;
            if self.jwks.is_none() {
                let message = "tokens are verified with the keys of a set: name it, jwks = { url = \"https://…\" }";
                return Err(Problem::at(entry.span(), message));
            }
            if leaves_body_open {
                warnings.push(format!(
                    "danger: `{}` takes tokens that do not bind the body (`danger_body_binding`): whoever sees one can \
                     send it again with any other body",
                    name.get_ref()
                ));
            }
            builder = builder.token(policy);
        }
        builder.build().map_err(|error| Problem::at(name.span(), error.to_string()))
    }
}

impl file::Replay {
    fn resolve(&self, source: &str, warnings: &mut Vec<String>) -> Result<(MemoryStore, Duration), Problem> {
        if let Some(store) = self.store.as_ref().filter(|store| store.get_ref() != "memory") {
            return Err(Problem::at(store.span(), "the only store is \"memory\""));
        }
        let retain = duration_or(self.retain.as_ref(), MemoryStore::DEFAULT_RETAIN)?;
        if retain < Duration::from_hours(24) {
            warnings.push(format!(
                "`{source}` remembers deliveries for {retain:?}, but senders retry for 24 h: what comes later is forwarded again"
            ));
        }
        let capacity = match &self.capacity {
            Some(capacity) if !(1..=1 << 31).contains(capacity.get_ref()) => {
                return Err(Problem::at(capacity.span(), "the capacity is between 1 and 2147483648 ids"));
            }
            Some(capacity) => *capacity.get_ref(),
            None => MemoryStore::DEFAULT_CAPACITY,
        };
        let lease = duration_or(self.lease.as_ref(), VerifyLayer::DEFAULT_LEASE)?;
        let store = MemoryStore::builder().capacity(capacity).retain(retain).build();
        let room = Capacity::of(&store);
        if room.is_low() {
            warnings.push(format!(
                "source \"{source}\": {room}; more are rejected with 503 (store_full): raise `capacity`"
            ));
        }
        Ok((store, lease))
    }
}

/// Where a secret is.
enum Origin<'a> {
    Env(&'a str),
    File(&'a str),
}

fn secret(entry: &Spanned<Value>, folder: &Path) -> Result<Secret, Problem> {
    let problem = |message: &str| Problem::at(entry.span(), message);
    let table = table(entry, &["env", "file", "label", "expires_at"], HOW_TO_NAME_A_SECRET)?;
    let origin = match (text(table, "env").map_err(|m| problem(&m))?, text(table, "file").map_err(|m| problem(&m))?) {
        (Some(name), None) => Origin::Env(name),
        (None, Some(path)) => Origin::File(path),
        _ => return Err(problem(HOW_TO_NAME_A_SECRET)),
    };
    let mut secret = origin.read(folder).map_err(|message| problem(&message))?;
    if let Some(label) = text(table, "label").map_err(|m| problem(&m))? {
        if is_like_a_secret(label) {
            return Err(problem("a label is shown, and this one looks like a secret"));
        }
        secret = secret.labelled(label);
    }
    match table.get("expires_at") {
        None => Ok(secret),
        Some(at) => Ok(secret.expiring_at(expiry(at).map_err(problem)?)),
    }
}

impl Origin<'_> {
    /// The secret, labelled with the name of what it was read from.
    fn read(&self, folder: &Path) -> Result<Secret, String> {
        let (found, text, label) = match self {
            Self::Env(name) => {
                let text = std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?;
                (format!("in the environment variable {name}"), text, (*name).to_owned())
            }
            Self::File(path) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                let label = path.file_name().map(|name| name.to_string_lossy().into_owned());
                (format!("in {}", path.display()), text, label.unwrap_or_default())
            }
        };
        // Editors end a file with a newline; nothing else around a secret is forgiven.
        let text = zeroize::Zeroizing::new(text);
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        let secret = Secret::parse(line).map_err(|error| format!("{found}: {error}"))?;
        Ok(if label.len() <= 64 && label.bytes().all(|byte| byte.is_ascii_graphic()) {
            secret.labelled(label)
        } else {
            secret
        })
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
