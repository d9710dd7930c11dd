//! Public keys and the token policy, from the command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use countersign::header::HeaderNames;
use countersign::verifier::MAX_ED25519_KEYS;
use countersign::{KeySet, PublicKey, Secret, TokenPolicy, Verifier};

use crate::error::Error;
use crate::key_set;
use crate::network::NetworkArgs;
use crate::output::complain;

/// The options for public keys and tokens.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct KeyArgs {
    /// A sender's public key, which verifies `v1a`
    #[arg(long, value_name = "whpk_…", group = "keys")]
    public_key: Vec<String>,
    /// A sender's key set: a file, or a URL (https, or http to this machine)
    #[arg(long, value_name = "FILE|URL", group = "keys")]
    jwks: Option<PathBuf>,
    /// Accept tokens that were issued for this audience: the URL that the sender was given
    #[arg(long, value_name = "URL")]
    audience: Vec<String>,
    /// Accept only tokens of this issuer
    #[arg(long, value_name = "URL", requires = "audience")]
    issuer: Vec<String>,
    /// Accept tokens that do not bind the body: anyone who saw such a token can send it with another body
    #[arg(long, requires = "audience")]
    danger_accept_unbound_body: bool,
}

/// The given public keys, and the policy for tokens.
#[derive(Clone, Default)]
pub(crate) struct Trust {
    pinned: Vec<PublicKey>,
    set: Arc<KeySet>,
    has_set: bool,
    /// Whether the set was fetched from its URL just now.
    pub(crate) is_fetched: bool,
    pub(crate) audience: Vec<String>,
    pub(crate) issuer: Vec<String>,
    accepts_unbound_body: bool,
}

impl KeyArgs {
    pub(crate) fn trust(&self, network: &NetworkArgs) -> Result<Trust, Error> {
        // Named by number, because the text may be a secret that was passed by mistake.
        let read = |(number, text): (usize, &String)| {
            PublicKey::parse(text.trim()).map_err(|error| Error::PublicKey { number, error })
        };
        let pinned = (1..).zip(&self.public_key).map(read).collect::<Result<_, _>>()?;
        let set = self.jwks.as_deref().map(|source| key_set::load(source, network)).transpose()?;
        if set.as_ref().is_some_and(KeySet::is_empty) {
            complain(&"warning: the key set has no usable key: `countersign jwks show` says why");
        }
        Ok(Trust {
            pinned,
            has_set: set.is_some(),
            is_fetched: self.jwks.as_deref().is_some_and(key_set::is_url),
            set: Arc::new(set.unwrap_or_default()),
            audience: self.audience.clone(),
            issuer: self.issuer.clone(),
            accepts_unbound_body: self.danger_accept_unbound_body,
        })
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.jwks.iter()
    }
}

impl Trust {
    /// A verifier with these keys and secrets.
    pub(crate) fn verifier(
        &self,
        secrets: impl IntoIterator<Item = Secret>,
        tolerance: Duration,
        names: HeaderNames,
    ) -> Result<Verifier, Error> {
        let mut builder = self.builder().secrets(secrets).tolerance(tolerance).header_names(names);
        if !self.audience.is_empty() {
            let policy = TokenPolicy::new(self.audience.clone()).issuer(self.issuer.clone());
            let unbound = self.accepts_unbound_body;
            builder = builder.token(if unbound { policy.danger_accept_unbound_bodies() } else { policy });
        }
        builder.build().map_err(Error::Verifier)
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
        self.has_set
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
        let listed = self.set.labels().filter(move |(_, serves)| *serves == scheme).map(|(label, _)| label);
        pinned.chain(listed)
    }

    fn builder(&self) -> countersign::verifier::VerifierBuilder {
        Verifier::builder("cli").public_keys(self.pinned.iter().cloned()).key_set(Arc::clone(&self.set))
    }
}
