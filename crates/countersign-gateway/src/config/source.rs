use std::sync::Arc;
use std::time::Duration;

use countersign::verifier::DEFAULT_TOLERANCE;
use countersign::{MemoryStore, UnixTime, Verifier};
use countersign_jwks::RemoteKeys;
use countersign_tower::VerifyLayer;
use toml::Spanned;

use super::capacity::Capacity;
use super::error::Problem;
use super::file;
use super::hide::is_like_a_secret;
use super::keys::{RemoteSets, public_keys, token_policy};
use super::limits::{duration_or, warn_of_capacity, warn_outside};
use super::secrets::Secrets;
use crate::fullness::Fullness;
use crate::source_keys::Keys;

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
    /// The label of each secret, and when it expires, if it does.
    pub secrets: Vec<(String, Option<UnixTime>)>,
}

impl Source {
    /// How many secrets verify something at this time.
    pub fn live_secrets(&self, now: UnixTime) -> usize {
        self.secrets.iter().filter(|(_, expires_at)| expires_at.is_none_or(|at| now < at)).count()
    }
}

impl file::Source {
    pub(super) fn resolve(
        self,
        name: &Spanned<String>,
        now: UnixTime,
        known: &mut Secrets<'_>,
        sets: &mut RemoteSets<'_>,
        warnings: &mut Vec<Problem>,
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
        let tolerance = self.tolerance(warnings)?;
        let mut secrets = Vec::new();
        let verifier = self.verifier(name, known, tolerance, &mut secrets, warnings)?;
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
        let (store, lease) = self.replay.resolve(name, warnings)?;
        let keys = match &self.jwks {
            None => Keys::Fixed(verifier),
            Some(entry) => Keys::Remote(RemoteKeys::new(verifier, sets.named(entry)?)),
        };
        let store = Arc::new(store);
        let fullness = Fullness::new(name.get_ref().clone(), Arc::clone(&store));
        let source = Source { keys, depends_on_remote: !has_own_keys, store, fullness, lease, secrets };
        if source.live_secrets(now) == 0 && !source.secrets.is_empty() {
            let at = self.secrets.first().map_or(name.span(), Spanned::span);
            let message = format!(
                "all secrets of `{}` have expired, so what is signed with them is rejected: add the current one",
                name.get_ref()
            );
            warnings.push(Problem::at(at, message));
        }
        Ok(source)
    }

    fn tolerance(&self, warnings: &mut Vec<Problem>) -> Result<Duration, Problem> {
        let tolerance = duration_or(self.tolerance.as_ref(), DEFAULT_TOLERANCE)?;
        if let Some(text) = self.tolerance.as_ref().filter(|_| tolerance.subsec_nanos() > 0) {
            return Err(Problem::at(
                text.span(),
                "timestamps have whole seconds, and so has the tolerance: \"1s\" at least",
            ));
        }
        let why = "it is how long somebody may keep a delivery and send it again elsewhere, and how far clocks may be \
                   apart; the default is 5 minutes";
        let range = Duration::from_secs(5)..=Duration::from_hours(1);
        warn_outside("tolerance", self.tolerance.as_ref(), range, why, warnings)?;
        Ok(tolerance)
    }

    /// What does not change by itself.
    fn verifier(
        &self,
        name: &Spanned<String>,
        known: &mut Secrets<'_>,
        tolerance: Duration,
        secrets: &mut Vec<(String, Option<UnixTime>)>,
        warnings: &mut Vec<Problem>,
    ) -> Result<Verifier, Problem> {
        let mut builder = Verifier::builder(name.get_ref().as_str()).tolerance(tolerance);
        for entry in &self.secrets {
            let secret = known.read(name.get_ref(), entry, warnings)?;
            let label = secret.label().map_or_else(|| format!("secret-{}", secrets.len() + 1), str::to_owned);
            secrets.push((label, secret.expires_at()));
            builder = builder.secret(secret);
        }
        builder = builder.public_keys(public_keys(&self.public_keys, warnings)?);
        if let Some(entry) = &self.token {
            let (policy, leaves_body_open) = token_policy(entry)?;
            if self.jwks.is_none() {
                let message = "tokens are verified with the keys of a set: name it, jwks = { url = \"https://…\" }";
                return Err(Problem::at(entry.span(), message));
            }
            if leaves_body_open {
                let message = format!(
                    "danger: `{}` takes tokens that do not bind the body (`danger_body_binding`): whoever sees one can \
                     send it again with any other body",
                    name.get_ref()
                );
                warnings.push(Problem::at(entry.span(), message));
            }
            builder = builder.token(policy);
        }
        builder.build().map_err(|error| Problem::at(name.span(), error.to_string()))
    }
}

impl file::Replay {
    fn resolve(
        &self,
        source: &Spanned<String>,
        warnings: &mut Vec<Problem>,
    ) -> Result<(MemoryStore, Duration), Problem> {
        if let Some(store) = self.store.as_ref().filter(|store| store.get_ref() != "memory") {
            return Err(Problem::at(store.span(), "the only store is \"memory\""));
        }
        let retain = duration_or(self.retain.as_ref(), MemoryStore::DEFAULT_RETAIN)?;
        if retain < Duration::from_hours(24) {
            let message = format!(
                "`{}` remembers deliveries for {retain:?}, but senders retry for 24 h: what comes later is forwarded again",
                source.get_ref()
            );
            warnings.push(Problem::at(self.retain.as_ref().map_or(source.span(), Spanned::span), message));
        }
        let capacity = match &self.capacity {
            Some(capacity) if !(1..=1 << 31).contains(capacity.get_ref()) => {
                return Err(Problem::at(capacity.span(), "the capacity is between 1 and 2147483648 ids"));
            }
            Some(capacity) => {
                warn_of_capacity(capacity, warnings);
                *capacity.get_ref()
            }
            None => MemoryStore::DEFAULT_CAPACITY,
        };
        let why = "a delivery whose handling broke off is in flight for that long, and its retries get 409";
        let range = Duration::ZERO..=Duration::from_hours(24);
        warn_outside("lease", self.lease.as_ref(), range, why, warnings)?;
        let lease = duration_or(self.lease.as_ref(), VerifyLayer::DEFAULT_LEASE)?;
        let store = MemoryStore::builder().capacity(capacity).retain(retain).build();
        let room = Capacity::of(&store);
        if room.is_low() {
            let at = self.capacity.as_ref().map_or(source.span(), Spanned::span);
            let message = format!(
                "source \"{}\": {room}; more are rejected with 503 (store_full): raise `capacity`",
                source.get_ref()
            );
            warnings.push(Problem::at(at, message));
        }
        Ok((store, lease))
    }
}
