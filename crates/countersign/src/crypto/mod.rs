//! Cryptography. Only this folder names cryptographic crates.

#[cfg_attr(not(feature = "v1a"), path = "ed25519_off.rs")]
mod ed25519;
#[cfg(all(feature = "v1a", feature = "sign"))]
mod ed25519_private;
#[cfg(test)]
#[cfg_attr(not(all(feature = "v1a", feature = "rs256", feature = "sign")), allow(dead_code, unused_imports))]
pub(crate) mod hashed;
#[cfg(feature = "rs256")]
mod rsa;
#[cfg(all(feature = "rs256", feature = "sign"))]
mod rsa_private;
#[cfg(all(feature = "v1a", feature = "rs256"))]
#[cfg(test)]
mod wycheproof;

use std::ops::BitAnd;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

pub(crate) use ed25519::{Ed25519Public, Ed25519Signature};
#[cfg(all(feature = "v1a", feature = "sign"))]
pub(crate) use ed25519_private::Ed25519Private;
#[cfg(feature = "rs256")]
pub(crate) use rsa::{RsaPublic, is_rs256, without_leading_zeros};
#[cfg(all(feature = "rs256", feature = "sign"))]
pub(crate) use rsa_private::RsaPrivate;

pub(crate) const TAG_LEN: usize = 32;
pub(crate) const ED25519_LEN: usize = 64;

/// An HMAC-SHA256 key with precomputed pads. Its state is zeroed on drop.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

/// The HMAC-SHA256 tag of a message.
pub(crate) struct Tag([u8; TAG_LEN]);

impl MacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length")]
        Self(Hmac::new_from_slice(key).expect("HMAC accepts keys of every length"))
    }

    /// Computes the tag of the concatenation of `parts`.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> Tag {
        #[cfg(test)]
        hashed::count(parts);
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        Tag(mac.finalize().into_bytes().into())
    }
}

impl Tag {
    /// Compares in constant time.
    pub(crate) fn matches(&self, signature: &[u8; TAG_LEN]) -> bool {
        // Constant-time comparison costs as much for one byte as for eight, so compare words.
        let (ours, theirs) = (self.0.as_chunks::<8>().0, signature.as_chunks::<8>().0);
        let equal = |(one, other): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other));
        ours.iter().zip(theirs).map(equal).fold(Choice::from(1), BitAnd::bitand).into()
    }

    #[cfg(feature = "sign")]
    pub(crate) fn as_bytes(&self) -> &[u8; TAG_LEN] {
        &self.0
    }
}

/// Computes the SHA-256 hash of these bytes.
#[cfg(any(feature = "v1a", feature = "rs256"))]
pub(crate) fn sha256(bytes: &[u8]) -> [u8; TAG_LEN] {
    #[cfg(test)]
    hashed::count(&[bytes]);
    <Sha256 as sha2::Digest>::digest(bytes).into()
}
