//! Public keys and the token policy.

use std::sync::Arc;
use std::time::Duration;

use countersign::header::HeaderNames;
use countersign::verifier::{MAX_ED25519_KEYS, VerifierBuilder, VerifierError};
use countersign::{KeySet, PublicKey, Secret, TokenPolicy, Verifier};

/// The public keys that a receiver trusts, and its policy for tokens.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    pinned: Vec<PublicKey>,
    set: Option<Arc<KeySet>>,
    /// Whether the set was fetched from its URL just now.
    pub(crate) is_fetched: bool,
    pub(crate) audience: Vec<String>,
    pub(crate) issuer: Vec<String>,
    types: Vec<String>,
    accepts_unbound_body: bool,
}

impl Trust {
    /// Trusts these public keys.
    #[must_use]
    pub fn public_keys(mut self, keys: Vec<PublicKey>) -> Self {
        self.pinned = keys;
        self
    }

    /// Trusts this key set. `is_fetched` says that it was just fetched from its publisher, so that it is not out of date.
    #[must_use]
    pub fn key_set(mut self, set: Arc<KeySet>, is_fetched: bool) -> Self {
        self.set = Some(set);
        self.is_fetched = is_fetched;
        self
    }

    /// Accepts tokens for these audiences of these issuers: of all, if none is named.
    #[must_use]
    pub fn tokens(mut self, audience: Vec<String>, issuer: Vec<String>) -> Self {
        self.audience = audience;
        self.issuer = issuer;
        self
    }

    /// Accepts these values of `typ` in a token's header, in addition to none and `JWT`.
    #[must_use]
    pub fn token_types(mut self, types: Vec<String>) -> Self {
        self.types = types;
        self
    }

    /// Accepts tokens that do not bind the body.
    #[must_use]
    pub fn danger_accept_unbound_body(mut self, accepts: bool) -> Self {
        self.accepts_unbound_body = accepts;
        self
    }

    /// A verifier with these keys and secrets.
    pub fn verifier(
        &self,
        secrets: impl IntoIterator<Item = Secret>,
        tolerance: Duration,
        names: HeaderNames,
    ) -> Result<Verifier, VerifierError> {
        let mut builder = self.builder().secrets(secrets).tolerance(tolerance).header_names(names);
        if !self.audience.is_empty() {
            let policy = TokenPolicy::new(self.audience.clone()).issuer(self.issuer.clone());
            let policy = policy.typ(self.types.clone());
            let unbound = self.accepts_unbound_body;
            builder = builder.token(if unbound { policy.danger_accept_unbound_bodies() } else { policy });
        }
        builder.build()
    }

    /// A verifier for `v1a` alone; `None` without an Ed25519 key.
    pub(crate) fn ed25519_verifier(&self) -> Option<Verifier> {
        self.has_ed25519().then(|| self.builder().build().ok()).flatten()
    }

    /// Whether public keys or a key set were given.
    pub(crate) fn is_given(&self) -> bool {
        self.has_set() || !self.pinned.is_empty()
    }

    pub(crate) fn has_set(&self) -> bool {
        self.set.is_some()
    }

    pub(crate) fn has_ed25519(&self) -> bool {
        self.labels("v1a").next().is_some()
    }

    /// How many keys a `v1a` signature is tried with.
    pub(crate) fn ed25519_len(&self) -> usize {
        self.labels("v1a").take(MAX_ED25519_KEYS).count()
    }

    /// The labels of the keys for this scheme.
    pub(crate) fn labels(&self, scheme: &str) -> impl Iterator<Item = &str> {
        let pinned = self.pinned.iter().filter(move |_| scheme == "v1a").map(PublicKey::label);
        let listed = self.set.iter().flat_map(|set| set.labels());
        let listed = listed.filter(move |(_, serves)| *serves == scheme).map(|(label, _)| label);
        pinned.chain(listed)
    }

    fn builder(&self) -> VerifierBuilder {
        // Without a set, an empty one: a verifier without any key is allowed only then.
        let set = self.set.clone().unwrap_or_default();
        Verifier::builder("explain").public_keys(self.pinned.iter().cloned()).key_set(set)
    }
}
