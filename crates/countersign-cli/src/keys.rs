//! Public keys and what is asked of tokens, from the command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use countersign::verifier::MAX_ED25519_KEYS;
use countersign::{KeySet, PublicKey, Secret, TokenPolicy, Verifier};

use crate::error::Error;
use crate::jwks;
use crate::output::complain;

/// Where the public keys are.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct KeyArgs {
    /// A public key of a sender that signs `v1a`
    #[arg(long, value_name = "whpk_…", group = "keys")]
    public_key: Vec<String>,
    /// A sender's key set: a file, or a URL (https, or http to this machine)
    #[arg(long, value_name = "FILE|URL", group = "keys")]
    jwks: Option<PathBuf>,
    /// Take tokens, if they were issued for this audience: the URL that the sender was given
    #[arg(long, value_name = "URL")]
    audience: Vec<String>,
    /// Take tokens of this issuer only
    #[arg(long, value_name = "URL", requires = "audience")]
    issuer: Vec<String>,
    /// Take tokens that say nothing of the body, which may then be anybody's
    #[arg(long, requires = "audience")]
    danger_accept_unbound_body: bool,
}

/// The keys that were given beside secrets, and the policy for tokens.
pub(crate) struct Trust {
    pinned: Vec<PublicKey>,
    set: Arc<KeySet>,
    has_set: bool,
    pub(crate) audience: Vec<String>,
    pub(crate) issuer: Vec<String>,
    accepts_unbound_body: bool,
}

impl KeyArgs {
    pub(crate) fn trust(&self) -> Result<Trust, Error> {
        // By number: whoever confuses the arguments has put a secret there.
        let read = |(number, text): (usize, &String)| {
            PublicKey::parse(text.trim()).map_err(|error| Error::PublicKey { number, error })
        };
        let pinned = (1..).zip(&self.public_key).map(read).collect::<Result<_, _>>()?;
        let set = self.jwks.as_deref().map(jwks::key_set).transpose()?;
        if set.as_ref().is_some_and(KeySet::is_empty) {
            complain(&"warning: the key set has no key that can be used: `countersign jwks show` says why");
        }
        Ok(Trust {
            pinned,
            has_set: set.is_some(),
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
    /// Verifies with these keys and secrets.
    pub(crate) fn verifier(
        &self,
        secrets: impl IntoIterator<Item = Secret>,
        tolerance: Duration,
    ) -> Result<Verifier, Error> {
        let mut builder = self.builder().secrets(secrets).tolerance(tolerance);
        if !self.audience.is_empty() {
            let policy = TokenPolicy::new(self.audience.clone()).issuer(self.issuer.clone());
            let unbound = self.accepts_unbound_body;
            builder = builder.token(if unbound { policy.danger_accept_unbound_bodies() } else { policy });
        }
        builder.build().map_err(Error::Verifier)
    }

    /// Verifies `v1a` alone; `None` without a key for that.
    pub(crate) fn ed25519_verifier(&self) -> Option<Verifier> {
        self.has_ed25519().then(|| self.builder().build().ok()).flatten()
    }

    /// Whether there is anything to verify with but secrets.
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

    /// The labels of the keys that serve this scheme.
    pub(crate) fn labels(&self, scheme: &str) -> impl Iterator<Item = &str> {
        let pinned = self.pinned.iter().filter(move |_| scheme == "v1a").map(PublicKey::label);
        let listed = self.set.labels().filter(move |(_, serves)| *serves == scheme).map(|(label, _)| label);
        pinned.chain(listed)
    }

    fn builder(&self) -> countersign::verifier::VerifierBuilder {
        Verifier::builder("cli").public_keys(self.pinned.iter().cloned()).key_set(Arc::clone(&self.set))
    }
}
