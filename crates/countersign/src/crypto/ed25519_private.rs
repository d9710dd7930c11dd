use ed25519_dalek::SigningKey;

use super::ED25519_LEN;

/// An Ed25519 private key. It is zeroed on drop.
#[derive(Clone)]
pub(crate) struct Ed25519Private(SigningKey);

impl Ed25519Private {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; ED25519_LEN] {
        ed25519_dalek::Signer::sign(&self.0, message).to_bytes()
    }
}
