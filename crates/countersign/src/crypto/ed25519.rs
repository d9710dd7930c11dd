//! Ed25519 signatures (RFC 8032), verified strictly.

use ed25519_dalek::ed25519::signature::MultipartVerifier;
use ed25519_dalek::{Signature, VerifyingKey};

use super::ED25519_LEN;
#[cfg(test)]
use super::hashed;

/// An Ed25519 public key that is not weak.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ed25519Public(VerifyingKey);

/// An Ed25519 signature that is well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519Signature(Signature);

/// The order of the group, little-endian (RFC 8032, 5.1): 2²⁵² + 27742317777372353535851937790883648493.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The points of small order (RFC 7748, 7) in the encoding of RFC 8032, without the sign bit.
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
    /// Returns `None` if the bytes are not a point of the curve, are a point of small order, or are not its canonical
    /// encoding (RFC 8032). A key has exactly one encoding.
    pub(crate) fn new(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| is_reduced(bytes) && !key.is_weak()).map(Self)
    }

    /// Whether this key made the signature over the concatenation of `parts`.
    ///
    /// Verification is strict: scalars must be reduced, and points of small order are rejected.
    /// [`Ed25519Signature::new`] has already checked what does not depend on the message.
    pub(crate) fn verifies(&self, parts: &[&[u8]], signature: &Ed25519Signature) -> bool {
        #[cfg(test)]
        hashed::count_sha512(parts);
        self.0.multipart_verify(parts, &signature.0).is_ok()
    }
}

impl Ed25519Signature {
    /// Returns `None` for a signature that strict verification rejects for every key and message: its scalar is not
    /// reduced, or its point has small order or is not canonical.
    ///
    /// The check needs neither the message nor arithmetic. Bytes that are not a point pass it, and fail later, when the
    /// signature is verified.
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

/// Whether the point, without its sign bit, is below 2²⁵⁵ − 19, so that its encoding is canonical.
fn is_reduced(point: &[u8; 32]) -> bool {
    point[0] < 0xed || point[1..31].iter().any(|byte| *byte != 0xff) || point[31] | 0x80 != 0xff
}

#[cfg(feature = "sign")]
#[cfg(test)]
mod tests {
    use super::super::Ed25519Private;
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

    /// Compares our verification with the library's own strict verification.
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
        // Not a point: no x exists for y = 2.
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
}
