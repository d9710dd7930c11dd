//! Sources: keys and replay policy of each sender.

use std::time::Duration;

use countersign::UnixTime;
use countersign::replay::MemoryStore;
use countersign::verifier::DEFAULT_TOLERANCE;
use countersign_tower::VerifyLayer;
use toml::Spanned;

use super::capacity::Capacity;
use super::error::Problem;
use super::file;
use super::hide::is_like_a_secret;
use super::keys::{JwksSpec, PublicKeySpec, TokenSpec, public_keys, token};
use super::limits::{duration_or, warn_of_capacity, warn_outside};
use super::replay::{ReplaySpec, StoreSpec};
use super::secrets::SecretRef;

/// A sender, as configured. [`State`](crate::state::State) reads its secrets and builds its verifier and store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Its name.
    pub name: Spanned<String>,
    /// Its secrets.
    pub secrets: Vec<Spanned<SecretRef>>,
    /// Its pinned public keys.
    pub public_keys: Vec<PublicKeySpec>,
    /// Its key set.
    pub jwks: Option<Spanned<JwksSpec>>,
    /// What its tokens have to contain.
    pub token: Option<TokenSpec>,
    /// How far a timestamp may be from now.
    pub tolerance: Duration,
    /// Where `retain` is written, or else `tolerance`.
    pub(crate) retain_or_tolerance: Option<Spanned<()>>,
    /// How its message ids are remembered.
    pub replay: ReplaySpec,
}

impl file::Source {
    pub(super) fn resolve(
        self,
        name: &Spanned<String>,
        now: UnixTime,
        warnings: &mut Vec<Problem>,
    ) -> Result<SourceConfig, Problem> {
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
        let secrets = self.secrets.iter().map(SecretRef::read).collect::<Result<Vec<_>, _>>()?;
        let public_keys = public_keys(&self.public_keys, warnings)?;
        let token = self.token(name, warnings)?;
        let jwks = self.jwks.as_ref().map(JwksSpec::read).transpose()?;
        let at = self.replay.retain.as_ref().or(self.tolerance.as_ref());
        let retain_or_tolerance = at.map(|text| Spanned::new(text.span(), ()));
        let replay = self.replay.resolve(name, warnings)?;
        let is_expired = |secret: &Spanned<SecretRef>| secret.get_ref().expires_at.is_some_and(|at| at <= now);
        if !secrets.is_empty() && secrets.iter().all(is_expired) {
            let at = self.secrets.first().map_or(name.span(), Spanned::span);
            let message = format!(
                "all secrets of `{}` have expired, so what is signed with them is rejected: add the current one",
                name.get_ref()
            );
            warnings.push(Problem::at(at, message));
        }
        let name = name.clone();
        Ok(SourceConfig { name, secrets, public_keys, jwks, token, tolerance, retain_or_tolerance, replay })
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

    fn token(&self, name: &Spanned<String>, warnings: &mut Vec<Problem>) -> Result<Option<TokenSpec>, Problem> {
        let Some(entry) = &self.token else { return Ok(None) };
        let token = token(entry)?;
        if self.jwks.is_none() {
            let message = "tokens are verified with the keys of a set: name it, jwks = { url = \"https://…\" }";
            return Err(Problem::at(entry.span(), message));
        }
        if token.danger_unbound_bodies {
            let message = format!(
                "danger: `{}` accepts tokens that do not bind the body (`danger_body_binding`): anyone who sees one can \
                 send it again with any other body",
                name.get_ref()
            );
            warnings.push(Problem::at(entry.span(), message));
        }
        Ok(Some(token))
    }
}

impl file::Replay {
    fn resolve(&self, source: &Spanned<String>, warnings: &mut Vec<Problem>) -> Result<ReplaySpec, Problem> {
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
        let replay = ReplaySpec { store: StoreSpec::Memory, retain, lease, capacity };
        let room = Capacity::of(&replay);
        if room.is_low() {
            let at = self.capacity.as_ref().map_or(source.span(), Spanned::span);
            let message = format!(
                "source \"{}\": {room}; more are rejected with 503 (store_full): raise `capacity`",
                source.get_ref()
            );
            warnings.push(Problem::at(at, message));
        }
        Ok(replay)
    }
}
