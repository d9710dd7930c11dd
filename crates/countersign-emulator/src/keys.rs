//! The keys that sign dynamic webhooks, and the JWKS document that publishes them.

use countersign::sign::TokenSignerError;
use countersign::sign::{PrivateKey, TokenSigner};
use serde_json::{Value, json};

/// How many Ed25519 keys are published at a time: as many as the real sender has.
const ED25519_KEYS: usize = 3;

/// One generation of keys. A rotation replaces all of them.
#[derive(Clone, Debug)]
pub(crate) struct PublishedKeys {
    generation: u32,
    ed25519: [(String, PrivateKey); ED25519_KEYS],
    rsa: TokenSigner,
    /// Never published: receivers must reject its signatures.
    unpublished_rsa: TokenSigner,
}

impl PublishedKeys {
    /// Generates the keys of a generation. The same random numbers give the same Ed25519 keys; RSA keys are new
    /// each time.
    pub(crate) fn generate(generation: u32, rng: &mut fastrand::Rng) -> Result<Self, TokenSignerError> {
        let mut letters = 'a'..;
        let ed25519 = std::array::from_fn(|_| {
            let letter = letters.next().unwrap_or_default();
            (format!("ed25519-{generation}{letter}"), private_key(rng))
        });
        let rsa = TokenSigner::generate(format!("rsa-{generation}"))?;
        Ok(Self { generation, ed25519, rsa, unpublished_rsa: TokenSigner::generate("nobody-publishes-this-key")? })
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// One of the Ed25519 keys, and its id.
    pub(crate) fn ed25519(&self, rng: &mut fastrand::Rng) -> &(String, PrivateKey) {
        &self.ed25519[rng.usize(..ED25519_KEYS)]
    }

    pub(crate) fn rsa(&self) -> &TokenSigner {
        &self.rsa
    }

    pub(crate) fn unpublished_rsa(&self) -> &TokenSigner {
        &self.unpublished_rsa
    }

    /// The JWKS document (RFC 7517).
    pub(crate) fn document(&self) -> Value {
        let keys: Vec<_> = self.ed25519.iter().map(|(kid, key)| key.jwk(kid)).chain([self.rsa.jwk()]).collect();
        json!({ "keys": keys })
    }
}

/// A new private key, which is not published.
pub(crate) fn private_key(rng: &mut fastrand::Rng) -> PrivateKey {
    let mut seed = [0; 32];
    rng.fill(&mut seed);
    PrivateKey::from_seed(&seed)
}

#[cfg(test)]
mod tests {
    use countersign::KeySet;

    use super::*;

    #[test]
    fn all_published_keys_can_be_used_and_a_seed_gives_the_same_ed25519_keys() {
        let keys = |generation| {
            PublishedKeys::generate(generation, &mut fastrand::Rng::with_seed(7)).expect("keys can be made")
        };
        let (one, again) = (keys(1), keys(1));
        let set = KeySet::parse(one.document().to_string().as_bytes()).expect("a key set");
        let labels: Vec<_> = set.labels().collect();
        assert_eq!(labels, [("ed25519-1a", "v1a"), ("ed25519-1b", "v1a"), ("ed25519-1c", "v1a"), ("rsa-1", "rs256")]);
        let public = |keys: &PublishedKeys| keys.ed25519.each_ref().map(|(_, key)| key.public());
        assert_eq!(public(&one), public(&again));
        assert!(!one.document().to_string().contains(one.unpublished_rsa().kid()));
    }
}
