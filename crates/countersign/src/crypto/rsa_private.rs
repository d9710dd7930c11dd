use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

/// An RSA key that signs: prepared once, for reading one takes longer than signing with it.
#[derive(Clone)]
pub(crate) struct RsaPrivate(Arc<KeyPair>);

impl RsaPrivate {
    /// From PKCS#1 in DER; `None` if it cannot sign.
    pub(crate) fn new(der: &[u8]) -> Option<Self> {
        KeyPair::from_der(der).ok().map(Arc::new).map(Self)
    }

    /// A new key of 2048 bits; `None` if the system gives no random bytes.
    pub(crate) fn generate() -> Option<Self> {
        KeyPair::generate(KeySize::Rsa2048).ok().map(Arc::new).map(Self)
    }

    /// The modulus and the exponent, big-endian.
    pub(crate) fn public(&self) -> (&[u8], &[u8]) {
        let public = self.0.public_key();
        (public.modulus().big_endian_without_leading_zero(), public.exponent().big_endian_without_leading_zero())
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }
}
