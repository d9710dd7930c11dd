//! The one file that names cryptographic crates.

use std::ops::BitAnd;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

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
