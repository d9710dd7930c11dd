use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

/// An RSA private key. It is parsed once, because parsing takes longer than signing.
#[derive(Clone)]
pub(crate) struct RsaPrivate(Arc<KeyPair>);

impl RsaPrivate {
    /// Parses a key in DER (PKCS#1). Returns `None` if it cannot sign.
    pub(crate) fn new(der: &[u8]) -> Option<Self> {
        KeyPair::from_der(der).ok().map(Arc::new).map(Self)
    }

    /// Generates a 2048-bit key. Returns `None` if the operating system returns no random bytes.
    pub(crate) fn generate() -> Option<Self> {
        KeyPair::generate(KeySize::Rsa2048).ok().map(Arc::new).map(Self)
    }

    /// The modulus and the exponent, big-endian.
    pub(crate) fn public(&self) -> (&[u8], &[u8]) {
        let public = self.0.public_key();
        (public.modulus().big_endian_without_leading_zero(), public.exponent().big_endian_without_leading_zero())
    }

    /// Signs with RSASSA-PKCS1-v1_5 and SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }
}
