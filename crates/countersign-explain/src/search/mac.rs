//! The codes that senders compute over a delivery: HMAC, and what stands in its place, with each hash.
//!
//! [`Secret`](countersign::Secret) deliberately supports only HMAC-SHA256 over the standard parts. This is the one file
//! that computes codes itself, to recognise other conventions and never to accept them.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// A hash function. Its length tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// How the key comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyed {
    Hmac,
    /// The hash of the key and the text.
    KeyFirst,
    /// The hash of the text and the key.
    KeyLast,
    /// The hash of the text alone.
    Unkeyed,
}

impl Hash {
    pub(super) const ALL: [Self; 6] = [Self::Sha256, Self::Sha1, Self::Sha512, Self::Sha384, Self::Md5, Self::Sha224];

    /// The length of its code, in bytes.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha224 => "SHA224",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// The code of the concatenated parts.
    pub(super) fn code(self, keyed: Keyed, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match (keyed, self) {
            (Keyed::Hmac, Self::Md5) => hmac::<Hmac<Md5>>(key, parts),
            (Keyed::Hmac, Self::Sha1) => hmac::<Hmac<Sha1>>(key, parts),
            (Keyed::Hmac, Self::Sha224) => hmac::<Hmac<Sha224>>(key, parts),
            (Keyed::Hmac, Self::Sha256) => hmac::<Hmac<Sha256>>(key, parts),
            (Keyed::Hmac, Self::Sha384) => hmac::<Hmac<Sha384>>(key, parts),
            (Keyed::Hmac, Self::Sha512) => hmac::<Hmac<Sha512>>(key, parts),
            (keyed, hash) => {
                let parts: Vec<&[u8]> = match keyed {
                    Keyed::KeyFirst => std::iter::once(key).chain(parts.iter().copied()).collect(),
                    Keyed::KeyLast => parts.iter().copied().chain([key]).collect(),
                    Keyed::Hmac | Keyed::Unkeyed => parts.to_vec(),
                };
                hash.digest(&parts)
            }
        }
    }

    fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha224 => digest::<Sha224>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        }
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length")]
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// The SHA-256 of a text, which some senders use as the key.
pub(super) fn sha256(text: &[u8]) -> Vec<u8> {
    digest::<Sha256>(&[text])
}
