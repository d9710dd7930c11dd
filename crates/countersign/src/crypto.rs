//! The one file that names cryptographic crates.

use std::ops::BitAnd;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use ed25519_dalek::ed25519::signature::MultipartVerifier;
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
    #[cfg(test)]
    hashed::count(&[bytes]);
    Sha256::digest(bytes).into()
}

/// An Ed25519 key under which not everybody can sign.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ed25519Public(VerifyingKey);

/// An Ed25519 signature that some key could have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519Signature(Signature);

pub(crate) const ED25519_LEN: usize = 64;

/// The order of the group, least byte first (RFC 8032, 5.1): 2²⁵² + 27742317777372353535851937790883648493.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The points of small order (RFC 7748, 7), as RFC 8032 writes them, the sign's bit aside.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

impl Ed25519Public {
    /// `None` for what is no point of the curve, one of small order, or one that is not written as RFC
    /// 8032 asks for: a key has one name.
    pub(crate) fn new(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| is_reduced(bytes) && !key.is_weak()).map(Self)
    }

    /// Whether this key made the signature over the concatenation of `parts`, verified strictly: no scalar that
    /// is not reduced, no point of small order. [`Ed25519Signature::new`] has checked the half of that which
    /// does not depend on the message; the equation itself leaves nothing to tolerate.
    pub(crate) fn verifies(&self, parts: &[&[u8]], signature: &Ed25519Signature) -> bool {
        #[cfg(test)]
        hashed::count_sha512(parts);
        self.0.multipart_verify(parts, &signature.0).is_ok()
    }
}

impl Ed25519Signature {
    /// `None` for a signature that no key and no message fit under strict verification: its scalar is not
    /// reduced, or its point has small order or is not written as RFC 8032 asks for. Telling that takes no pass
    /// over the message and no arithmetic. A point that is none is left to the equation, which it never meets.
    pub(crate) fn new(bytes: &[u8; ED25519_LEN]) -> Option<Self> {
        let (point, scalar) = bytes.split_at(ED25519_LEN / 2);
        let point: &[u8; 32] = point.try_into().ok()?;
        let mut unsigned = *point;
        unsigned[31] &= 0x7f;
        let is_possible =
            scalar.iter().rev().lt(ED25519_ORDER.iter().rev()) && is_reduced(point) && !SMALL_ORDER.contains(&unsigned);
        is_possible.then(|| Self(Signature::from_bytes(bytes)))
    }
}

/// Whether this is below 2²⁵⁵ − 19, the sign's bit aside: a point has one name.
fn is_reduced(point: &[u8; 32]) -> bool {
    point[0] < 0xed || point[1..31].iter().any(|byte| *byte != 0xff) || point[31] | 0x80 != 0xff
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

/// AWS-LC verifies nothing with a larger exponent.
const MAX_RSA_EXPONENT_BITS: usize = 33;

/// An RSA key of a length that is neither weak nor absurd, and that the library can verify with.
#[derive(Clone)]
pub(crate) struct RsaPublic {
    key: DecodingKey,
    modulus: Box<[u8]>,
    exponent: Box<[u8]>,
    micros: u32,
}

impl PartialEq for RsaPublic {
    fn eq(&self, other: &Self) -> bool {
        (&self.modulus, &self.exponent) == (&other.modulus, &other.exponent)
    }
}

impl RsaPublic {
    /// From the modulus and the exponent, big-endian; `None` for fewer than 2048 or more than 8192 bits, and
    /// for a key under which nothing can be verified, such as one with an exponent of more than 33 bits.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = |number: &[u8]| number.len() * 8 - number.first().map_or(0, |first| first.leading_zeros() as usize);
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        let has_good_exponent = (2..=MAX_RSA_EXPONENT_BITS).contains(&bits(exponent)) && is_odd(exponent);
        if !(2048..=8192).contains(&bits(modulus)) || !is_odd(modulus) || !has_good_exponent {
            return None;
        }
        let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
        let multiplications = bits(exponent) + exponent.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
        // One modular multiplication takes about 1 µs at 2048 bits, and grows with the square of the length.
        let micros = multiplications * (modulus.len() * modulus.len()) / (256 * 256);
        Some(Self { key, modulus: modulus.into(), exponent: exponent.into(), micros: u32::try_from(micros).ok()? })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256, and no other algorithm.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        #[cfg(test)]
        hashed::count(&[message]);
        let verifier = (PROVIDER.verifier_factory)(&Algorithm::RS256, &self.key);
        verifier.is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }

    /// Whether a signature of this key could have this length (RFC 8017, 8.2.2, step 1).
    pub(crate) fn fits(&self, signature: &[u8]) -> bool {
        signature.len() == self.modulus.len()
    }

    /// What a verification costs at most, in µs.
    pub(crate) fn micros(&self) -> u32 {
        self.micros
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

/// Counts what is hashed, so that a test can hold it to its bound.
#[cfg(test)]
pub(crate) mod hashed {
    use std::cell::Cell;

    thread_local! {
        static SHA256: Cell<usize> = const { Cell::new(0) };
        static SHA512: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count(parts: &[&[u8]]) {
        SHA256.set(SHA256.get() + len(parts));
    }

    pub(super) fn count_sha512(parts: &[&[u8]]) {
        SHA512.set(SHA512.get() + len(parts));
    }

    fn len(parts: &[&[u8]]) -> usize {
        parts.iter().map(|part| part.len()).sum()
    }

    /// The bytes that this thread has hashed with SHA-256 and with SHA-512 since it was asked last.
    pub(crate) fn take() -> (usize, usize) {
        (SHA256.take(), SHA512.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The points of small order, each in every encoding that decodes to it.
    fn weak_points() -> Vec<[u8; 32]> {
        let ends = |first: u8, middle: u8, last: u8| {
            let mut point = [middle; 32];
            (point[0], point[31]) = (first, last);
            point
        };
        let mut weak = vec![ends(0, 0, 0), ends(0, 0, 0x80), ends(1, 0, 0), ends(1, 0, 0x80)];
        weak.extend([0xec, 0xed, 0xee].into_iter().flat_map(|first| [0x7f, 0xff].map(|last| ends(first, 0xff, last))));
        for start in [
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        ] {
            let mut point = [0; 32];
            hex::decode_to_slice(start, &mut point).expect("hex");
            weak.push(point);
            point[31] |= 0x80;
            weak.push(point);
        }
        weak
    }

    /// Ours against the library's own strict verification.
    fn assert_agreement(key: &Ed25519Private, message: &[u8], signature: [u8; 64]) -> bool {
        let public = Ed25519Public::new(&key.public()).expect("a strong key");
        let (head, tail) = message.split_at(message.len() / 2);
        let ours = Ed25519Signature::new(&signature).is_some_and(|read| public.verifies(&[head, tail], &read));
        let theirs = public.0.verify_strict(message, &Signature::from_bytes(&signature)).is_ok();
        assert_eq!(ours, theirs, "{signature:x?}");
        ours
    }

    #[test]
    fn signatures_that_no_key_makes_are_told_without_the_message() {
        let key = Ed25519Private::new(&[1; 32]);
        let good = key.sign(b"message");
        assert!(assert_agreement(&key, b"message", good));
        for point in weak_points() {
            for scalar in [[0; 32], good[32..].try_into().expect("32 bytes")] {
                let signature: [u8; 64] = [point, scalar].concat().try_into().expect("64 bytes");
                assert!(!assert_agreement(&key, b"message", signature));
                assert_eq!(Ed25519Signature::new(&signature), None, "{point:x?}");
            }
        }
        // A point that is none: 2 is no square where it would have to be.
        let mut none = good;
        none[..32].copy_from_slice(&[&[2_u8][..], &[0; 31]].concat());
        assert!(VerifyingKey::from_bytes(&none[..32].try_into().expect("32 bytes")).is_err());
        assert!(!assert_agreement(&key, b"message", none));
        let with_scalar =
            |scalar: [u8; 32]| -> [u8; 64] { [&good[..32], &scalar].concat().try_into().expect("64 bytes") };
        let mut below = ED25519_ORDER;
        below[0] -= 1;
        for (scalar, expected) in [(below, true), (ED25519_ORDER, false), ([0xff; 32], false), ([0; 32], true)] {
            assert_eq!(Ed25519Signature::new(&with_scalar(scalar)).is_some(), expected, "{scalar:x?}");
            assert!(!assert_agreement(&key, b"message", with_scalar(scalar)));
        }
    }

    proptest! {
        #[test]
        fn strict_verification_is_the_library_s(
            seed in any::<[u8; 32]>(),
            message in prop::collection::vec(any::<u8>(), 0..300),
            at in 0..64_usize,
            bit in 0..9_u32,
            point in any::<prop::sample::Index>(),
            weak in 0..4,
        ) {
            let key = Ed25519Private::new(&seed);
            let mut signature = key.sign(&message);
            if bit < 8 {
                signature[at] ^= 1 << bit;
            }
            if weak == 0 {
                signature[..32].copy_from_slice(&weak_points()[point.index(14)]);
            }
            prop_assert_eq!(weak_points().len(), 14);
            let verified = assert_agreement(&key, &message, signature);
            prop_assert_eq!(verified, bit == 8 && weak != 0);
        }
    }

    #[test]
    fn a_key_that_nothing_can_be_verified_with_is_none() {
        let key = RsaPrivate::generate().expect("a key");
        let (modulus, _) = key.public();
        for (exponent, expected) in [
            (&[1, 0, 1][..], true),
            (&[3], true),
            (&[0, 0, 3], true),
            (&[1, 0xff, 0xff, 0xff, 0xff], true),
            (&[3, 0xff, 0xff, 0xff, 0xff], false),
            (&[0xff; 8], false),
            (&[1], false),
            (&[2], false),
            (&[], false),
        ] {
            assert_eq!(RsaPublic::new(modulus, exponent).is_some(), expected, "{exponent:x?}");
        }
        assert!(RsaPublic::new(modulus, modulus).is_none());
    }
}
