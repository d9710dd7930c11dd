//! A source, with its keys and its replay store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign::key_source::KeySource as _;
use countersign::{KeySet, UnixTime, Verifier};
use countersign_explain::{SecretText, Setup, Trust};
use countersign_jwks::RemoteKeys;

use super::key_sets::KeySets;
use super::secrets::{Secrets, read_text};
use super::store::{Engine, SourceStore};
use crate::config::{DuplicatesSpec, KeyPath, Problem, PublicKeySpec, ReplaySpec, SourceConfig};
use crate::fullness::Fullness;
use crate::source_keys::Keys;

/// A source with its keys and its replay store.
#[derive(Debug)]
pub struct Source {
    /// The keys that it verifies with.
    pub keys: Keys,
    /// Whether it cannot verify anything before its key set is fetched, because it has no secret and no pinned key.
    pub depends_on_remote: bool,
    /// Remembers the ids of its messages.
    pub store: SourceStore,
    /// Whether the replay store is full.
    pub fullness: Arc<Fullness>,
    /// The duration of a claim that is neither confirmed nor released.
    pub lease: Duration,
    /// The label of each secret, and its expiry, if it has one.
    pub secrets: Vec<(String, Option<UnixTime>)>,
    /// What is done with a message that was handled before.
    pub duplicates: DuplicatesSpec,
    replay: ReplaySpec,
    config: SourceConfig,
    folder: PathBuf,
}

impl Source {
    /// How many secrets have not expired at this time.
    pub fn live_secrets(&self, now: UnixTime) -> usize {
        self.secrets.iter().filter(|(_, expires_at)| expires_at.is_none_or(|at| now < at)).count()
    }

    /// How long the ids of its messages are remembered.
    pub fn retain(&self) -> Duration {
        self.replay.retain
    }

    /// The secrets, keys and settings, to explain a rejection with. Secrets are read again, because they are not kept as
    /// text. The error says which secret cannot be read, and does not contain it.
    pub fn setup(&self) -> Result<Setup, String> {
        let SourceConfig { secrets, public_keys, token, tolerance, headers, .. } = &self.config;
        let texts = secrets.iter().zip(&self.secrets).map(|(entry, (label, expires_at))| {
            let (_, text) = read_text(&entry.origin, &self.folder).map_err(|(why, _)| why)?;
            let read = SecretText::new(label, text.as_str()).in_form(entry.encoding.unwrap_or_default().form());
            Ok(SecretText { expires_at: *expires_at, ..read })
        });
        let public_keys = public_keys.iter().filter_map(|key| key.parse().ok()).collect();
        let mut trust = Trust::default().public_keys(public_keys);
        if self.keys.remote_set().is_some() {
            trust = trust.key_set(Arc::clone(self.keys.verifier().key_set()), true);
        }
        if let Some(token) = token {
            trust = trust.tokens(token.audience.clone(), token.issuer.clone()).token_types(token.typ.clone());
            trust = trust.danger_accept_unbound_body(token.danger_unbound_bodies);
        }
        let secrets = texts.collect::<Result<_, String>>()?;
        Ok(Setup { secrets, trust, names: headers.names(), tolerance: *tolerance })
    }

    /// Builds the source with this name. `kept` is the previous source of that name. Its store continues if its
    /// settings are unchanged.
    pub(super) fn build(
        name: &str,
        config: &SourceConfig,
        kept: Option<&Arc<Self>>,
        engine: &Engine,
        known: &mut Secrets<'_>,
        sets: &mut KeySets,
        warnings: &mut Vec<Problem>,
    ) -> Result<Self, Problem> {
        let mut secrets = Vec::new();
        let verifier = verifier(name, config, known, &mut secrets, warnings)?;
        check_retention(name, config, &verifier)?;
        let keys = match &config.jwks {
            None => Keys::Fixed(verifier),
            Some(spec) => Keys::Remote(RemoteKeys::new(verifier, sets.of(name, spec)?)),
        };
        let replay = config.replay;
        let kept = kept.filter(|kept| has_same_store(&kept.replay, &replay));
        let store = kept.map_or_else(|| engine.store(&replay), |kept| kept.store.clone());
        let fullness = kept
            .map_or_else(|| Arc::new(Fullness::new(name.to_owned(), store.clone())), |kept| Arc::clone(&kept.fullness));
        let depends_on_remote = config.secrets.is_empty() && config.public_keys.is_empty();
        let (lease, duplicates) = (replay.lease, config.duplicates);
        let (config, folder) = (config.clone(), known.folder().to_owned());
        Ok(Self { keys, depends_on_remote, store, fullness, lease, secrets, duplicates, replay, config, folder })
    }
}

/// Whether both settings can use the same store. The lease belongs to each claim, not to the store.
fn has_same_store(one: &ReplaySpec, other: &ReplaySpec) -> bool {
    *one == ReplaySpec { lease: one.lease, ..*other }
}

/// The verifier with all keys that are not fetched.
fn verifier(
    name: &str,
    config: &SourceConfig,
    known: &mut Secrets<'_>,
    secrets: &mut Vec<(String, Option<UnixTime>)>,
    warnings: &mut Vec<Problem>,
) -> Result<Verifier, Problem> {
    let at = KeyPath::source(name);
    let problem = |message: String| Problem::at(&at, message);
    let mut builder = Verifier::builder(name).tolerance(config.tolerance).header_names(config.headers.names());
    for (position, entry) in config.secrets.iter().enumerate() {
        let secret = known.read(name, &at.key("secrets").entry(position), entry, warnings)?;
        let label = secret.label().map_or_else(|| format!("secret-{}", secrets.len() + 1), str::to_owned);
        secrets.push((label, secret.expires_at()));
        builder = builder.secret(secret);
    }
    let public_keys = config.public_keys.iter().map(PublicKeySpec::parse).collect::<Result<Vec<_>, _>>();
    builder = builder.public_keys(public_keys.map_err(|error| problem(error.to_string()))?);
    if config.jwks.is_some() {
        // An empty key set until it is fetched. Without it, a source with no other keys would be an error.
        builder = builder.key_set(KeySet::default());
    }
    if let Some(token) = &config.token {
        builder = builder.token(token.policy());
    }
    builder.build().map_err(|error| problem(error.to_string()))
}

/// Checks that a store remembers ids for as long as a replay could be accepted.
fn check_retention(name: &str, config: &SourceConfig, verifier: &Verifier) -> Result<(), Problem> {
    let (retain, tolerance, life) = (config.replay.retain, config.tolerance, verifier.longest_life());
    if retain >= life {
        return Ok(());
    }
    let why = if config.token.is_some() {
        "a token without `iat` may be good for 24 h, a leeway of 1 min and the tolerance, or a signature for twice the \
         tolerance"
    } else {
        "a signature is good for twice the tolerance"
    };
    let message = format!(
        "ids are forgotten after {retain:?}, but with a tolerance of {tolerance:?} a request of `{name}` may be accepted \
         for {life:?} ({why}), so a replay in between would be forwarded: set `retain` to {life:?} or more"
    );
    let at = KeyPath::source(name);
    Err(Problem::at_first([at.key("replay").key("retain"), at.key("tolerance")], message))
}
