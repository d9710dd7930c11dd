//! The running parts of the gateway, built from its configuration: secrets are read, and verifiers, stores and key
//! sets are built here.

mod key_sets;
mod secrets;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign::replay::MemoryStore;
use countersign::{KeySet, UnixTime, Verifier};
use countersign_jwks::RemoteKeys;

use crate::config::{Config, ConfigError, Problem, PublicKeySpec, ReplaySpec, SourceConfig, StoreSpec, Warning};
use crate::fullness::Fullness;
use crate::source_keys::{Keys, RemoteSet};
use key_sets::KeySets;
use secrets::Secrets;

/// The running parts of the gateway.
#[derive(Debug)]
pub struct State {
    /// The sources, by name.
    pub sources: BTreeMap<String, Arc<Source>>,
    /// The key sets of the sources, each once.
    pub key_sets: Vec<RemoteSet>,
    /// Doubts about secrets and certificates.
    pub warnings: Vec<Warning>,
}

/// A source with its keys and its replay store.
#[derive(Debug)]
pub struct Source {
    /// The keys that it verifies with.
    pub keys: Keys,
    /// Whether it can verify nothing before its key set has arrived, because it has no secret and no pinned key.
    pub depends_on_remote: bool,
    /// Remembers the ids of its messages.
    pub store: Arc<MemoryStore>,
    /// Whether the store is full.
    pub fullness: Fullness,
    /// How long a claim lasts that is neither confirmed nor released.
    pub lease: Duration,
    /// The label of each secret, and when it expires, if it does.
    pub secrets: Vec<(String, Option<UnixTime>)>,
}

impl State {
    /// Reads the secrets and certificates that `config` names, and builds everything that runs. Nothing is fetched yet.
    pub fn build(config: &Config) -> Result<Self, ConfigError> {
        let (place, mut warnings) = (config.place(), Vec::new());
        let (mut secrets, mut sets) = (Secrets::new(place.folder()), KeySets::new(place.folder()));
        let mut sources = BTreeMap::new();
        // In the order in which they are written, so that the second of two equal secrets is reported.
        let mut written: Vec<_> = config.sources.values().collect();
        written.sort_by_key(|source| source.name.span().start);
        for source in written {
            let built = Source::build(source, &mut secrets, &mut sets, &mut warnings);
            let built = built.map_err(|problem| place.error(problem))?;
            sources.insert(source.name.get_ref().clone(), Arc::new(built));
        }
        let warnings = warnings.into_iter().map(|problem| place.warning(problem)).collect();
        Ok(Self { sources, key_sets: sets.into_sets(), warnings })
    }
}

impl Source {
    /// How many secrets have not expired at this time.
    pub fn live_secrets(&self, now: UnixTime) -> usize {
        self.secrets.iter().filter(|(_, expires_at)| expires_at.is_none_or(|at| now < at)).count()
    }

    fn build(
        config: &SourceConfig,
        known: &mut Secrets<'_>,
        sets: &mut KeySets<'_>,
        warnings: &mut Vec<Problem>,
    ) -> Result<Self, Problem> {
        let name = config.name.get_ref();
        let mut secrets = Vec::new();
        let verifier = verifier(config, known, &mut secrets, warnings)?;
        check_retention(config, &verifier)?;
        let keys = match &config.jwks {
            None => Keys::Fixed(verifier),
            Some(spec) => Keys::Remote(RemoteKeys::new(verifier, sets.of(spec)?)),
        };
        let store = store(&config.replay);
        let fullness = Fullness::new(name.clone(), Arc::clone(&store));
        let depends_on_remote = config.secrets.is_empty() && config.public_keys.is_empty();
        Ok(Self { keys, depends_on_remote, store, fullness, lease: config.replay.lease, secrets })
    }
}

/// The replay store that is configured. Stores are chosen here and nowhere else.
fn store(replay: &ReplaySpec) -> Arc<MemoryStore> {
    match replay.store {
        StoreSpec::Memory => Arc::new(MemoryStore::builder().capacity(replay.capacity).retain(replay.retain).build()),
    }
}

/// The verifier with all keys that are not fetched.
fn verifier(
    config: &SourceConfig,
    known: &mut Secrets<'_>,
    secrets: &mut Vec<(String, Option<UnixTime>)>,
    warnings: &mut Vec<Problem>,
) -> Result<Verifier, Problem> {
    let name = config.name.get_ref();
    let problem = |message: String| Problem::at(config.name.span(), message);
    let mut builder = Verifier::builder(name.as_str()).tolerance(config.tolerance);
    for entry in &config.secrets {
        let secret = known.read(name, entry, warnings)?;
        let label = secret.label().map_or_else(|| format!("secret-{}", secrets.len() + 1), str::to_owned);
        secrets.push((label, secret.expires_at()));
        builder = builder.secret(secret);
    }
    let public_keys = config.public_keys.iter().map(PublicKeySpec::parse).collect::<Result<Vec<_>, _>>();
    builder = builder.public_keys(public_keys.map_err(|error| problem(error.to_string()))?);
    if config.jwks.is_some() {
        // Fetched later; without it, a source with no other keys would not be a verifier at all.
        builder = builder.key_set(KeySet::default());
    }
    if let Some(token) = &config.token {
        builder = builder.token(token.policy());
    }
    builder.build().map_err(|error| problem(error.to_string()))
}

/// A store has to remember ids for as long as a replay could be accepted.
fn check_retention(config: &SourceConfig, verifier: &Verifier) -> Result<(), Problem> {
    let (retain, tolerance, life) = (config.replay.retain, config.tolerance, verifier.longest_life());
    // The default of either is long enough for the default of the other.
    if let Some(at) = config.retain_or_tolerance.as_ref().filter(|_| retain < life) {
        let why = if config.token.is_some() {
            "a token without `iat` may be good for 24 h, a leeway of 1 min and the tolerance, or a signature for \
             twice the tolerance"
        } else {
            "a signature is good for twice the tolerance"
        };
        let message = format!(
            "ids are forgotten after {retain:?}, but with a tolerance of {tolerance:?} a request of `{}` may be \
             accepted for {life:?} ({why}), so a replay in between would be forwarded: set `retain` to {life:?} \
             or more",
            config.name.get_ref()
        );
        return Err(Problem::at(at.span(), message));
    }
    Ok(())
}
