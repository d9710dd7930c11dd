//! RSA signatures (RS256), verified with AWS-LC.
//!
//! `jsonwebtoken` reads the name of the algorithm. Its own verification builds the key again for each token, which takes
//! a third of the time, so the signature is verified with a key that AWS-LC keeps.

use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use jsonwebtoken::Algorithm;

#[cfg(test)]
use super::hashed;

/// AWS-LC verifies nothing with a larger exponent.
const MAX_RSA_EXPONENT_BITS: usize = 33;

/// An RSA key of a length that is neither weak nor absurd, and that the library can verify with.
#[derive(Clone)]
pub(crate) struct RsaPublic {
    key: Arc<ParsedPublicKey>,
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
        let components = RsaPublicKeyComponents { n: modulus, e: exponent };
        let key = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
        let multiplications = bits(exponent) + exponent.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
        // One modular multiplication takes about 1 µs at 2048 bits, and grows with the square of the length.
        let micros = multiplications * (modulus.len() * modulus.len()) / (256 * 256);
        Some(Self {
            key: Arc::new(key),
            modulus: modulus.into(),
            exponent: exponent.into(),
            micros: u32::try_from(micros).ok()?,
        })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256, and no other algorithm.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        #[cfg(test)]
        hashed::count(&[message]);
        self.key.verify_sig(message, signature).is_ok()
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

/// Whether this is the `alg` of RS256 (RFC 7518, 3.1).
pub(crate) fn is_rs256(alg: &str) -> bool {
    matches!(alg.parse(), Ok(Algorithm::RS256))
}

pub(crate) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

#[cfg(feature = "sign")]
#[cfg(test)]
mod tests {
    use super::super::RsaPrivate;
    use super::*;

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
