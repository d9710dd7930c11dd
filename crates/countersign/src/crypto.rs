//! The one file that names cryptographic crates.

use std::ops::BitAnd;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::CryptoProvider;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Named here, so that no feature that another crate turns on can choose another or make it ambiguous.
const PROVIDER: &CryptoProvider = &DEFAULT_PROVIDER;

/// An HMAC-SHA256 key whose two pads are hashed already. Its state is zeroed on drop.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

/// What HMAC-SHA256 makes of a message.
pub(crate) struct Tag([u8; TAG_LEN]);

pub(crate) const TAG_LEN: usize = 32;

impl MacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length")]
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// The tag of the concatenation of `parts`.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        Tag(mac.finalize().into_bytes().into())
    }
}

impl Tag {
    /// Compares in a time that does not depend on where the two differ.
    pub(crate) fn matches(&self, signature: &[u8; TAG_LEN]) -> bool {
        // By words: what keeps a comparison constant costs as much for one byte as for eight.
        let (ours, theirs) = (self.0.as_chunks::<8>().0, signature.as_chunks::<8>().0);
        let equal = |(one, other): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other));
        ours.iter().zip(theirs).map(equal).fold(Choice::from(1), BitAnd::bitand).into()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; TAG_LEN] {
        &self.0
    }
}

/// The SHA-256 of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; TAG_LEN] {
    Sha256::digest(bytes).into()
}

/// An Ed25519 key under which not everybody can sign.
#[derive(Clone)]
pub(crate) struct Ed25519Public(VerifyingKey);

pub(crate) const ED25519_LEN: usize = 64;

impl Ed25519Public {
    /// `None` for what is no point of the curve, one of small order, or one that is not written as RFC
    /// 8032 asks for: a key has one name.
    pub(crate) fn new(bytes: &[u8; 32]) -> Option<Self> {
        // Below 2²⁵⁵ − 19, the sign's bit aside.
        let is_reduced = bytes[0] < 0xed || bytes[1..31].iter().any(|byte| *byte != 0xff) || bytes[31] | 0x80 != 0xff;
        VerifyingKey::from_bytes(bytes).ok().filter(|key| is_reduced && !key.is_weak()).map(Self)
    }

    /// Strictly: no scalar that is not reduced, no point of small order.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; ED25519_LEN]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// An Ed25519 key that signs. It is zeroed on drop.
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

/// An RSA key of a length that is neither weak nor absurd.
#[derive(Clone)]
pub(crate) struct RsaPublic(DecodingKey);

impl RsaPublic {
    /// From the modulus and the exponent, big-endian; `None` for fewer than 2048 or more than 8192 bits.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        let sound = (2048..=8192).contains(&bits) && is_odd(modulus) && is_odd(exponent) && exponent != [1];
        sound.then(|| Self(DecodingKey::from_rsa_raw_components(modulus, exponent)))
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256, and no other algorithm.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verifier = (PROVIDER.verifier_factory)(&Algorithm::RS256, &self.0);
        verifier.is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }
}

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

pub(crate) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}
