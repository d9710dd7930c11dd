//! Public keys and the token policy, from the command line.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign::{KeySet, PublicKey};
use countersign_explain::Trust;

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
        let trust = Trust::default()
            .public_keys(pinned)
            .tokens(self.audience.clone(), self.issuer.clone())
            .danger_accept_unbound_body(self.danger_accept_unbound_body);
        let is_fetched = self.jwks.as_deref().is_some_and(key_set::is_url);
        Ok(match set {
            Some(set) => trust.key_set(Arc::new(set), is_fetched),
            None => trust,
        })
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.jwks.iter()
    }
}
