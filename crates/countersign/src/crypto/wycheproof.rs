//! The test vectors of [Project Wycheproof] for the three algorithms: known attacks on implementations.
//!
//! [Project Wycheproof]: https://github.com/C2SP/wycheproof

use ::wycheproof::TestResult;
use ::wycheproof::{eddsa, mac, rsa_pkcs1_verify as rsa};

use super::{ED25519_LEN, Ed25519Public, Ed25519Signature, MacKey, RsaPublic, TAG_LEN};

/// How many vectors have each verdict, so that a file that loses vectors is noticed.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    valid: usize,
    invalid: usize,
    weak: usize,
}

impl Tally {
    /// Compares the verdict of a vector with ours, and counts it.
    fn add(&mut self, what: &str, expected: TestResult, accepted: bool) {
        match expected {
            TestResult::Valid => {
                assert!(accepted, "{what} is valid, but is rejected");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!accepted, "{what} is invalid, but is accepted");
                self.invalid += 1;
            }
            // Old implementations made such signatures. RFC 8017 has one encoding of each, so they are rejected.
            TestResult::Acceptable => {
                assert!(!accepted, "{what} is not the encoding of RFC 8017, but is accepted");
                self.weak += 1;
            }
        }
    }
}

#[test]
fn hmac_sha256_agrees_with_wycheproof() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).expect("the vectors");
    let mut tally = Tally::default();
    let mut truncated = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let what = format!("HMAC-SHA256, {}: {}", test.tc_id, test.comment);
            let Ok(tag) = <[u8; TAG_LEN]>::try_from(test.tag.as_ref()) else {
                // Only complete tags have a type here. A list with another length is not read.
                assert!(group.tag_size < TAG_LEN * 8, "{what}");
                truncated += 1;
                continue;
            };
            // A key of the size of a block, or longer, is hashed first. Half of the message in each part.
            let (head, tail) = test.msg.split_at(test.msg.len() / 2);
            tally.add(&what, test.result, MacKey::new(&test.key).tag(&[head, tail]).matches(&tag));
        }
    }
    assert_eq!((tally, truncated), (Tally { valid: 33, invalid: 54, weak: 0 }, 87));
}

#[test]
fn strict_ed25519_agrees_with_wycheproof() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the vectors");
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk.as_ref().try_into().expect("32 bytes");
        let key = Ed25519Public::new(&key).expect("no key of these vectors is weak");
        for test in &group.tests {
            let signature = <[u8; ED25519_LEN]>::try_from(test.sig.as_ref()).ok();
            let signature = signature.and_then(|signature| Ed25519Signature::new(&signature));
            let (head, tail) = test.msg.split_at(test.msg.len() / 2);
            let accepted = signature.is_some_and(|signature| key.verifies(&[head, tail], &signature));
            tally.add(&format!("Ed25519, {}: {}", test.tc_id, test.comment), test.result, accepted);
        }
    }
    assert_eq!(tally, Tally { valid: 88, invalid: 63, weak: 0 });
}

#[test]
fn rsa_pkcs1_with_sha256_agrees_with_wycheproof() {
    let mut tally = Tally::default();
    for name in [
        rsa::TestName::Rsa2048Sha256,
        rsa::TestName::Rsa3072Sha256,
        rsa::TestName::Rsa4096Sha256,
        rsa::TestName::Rsa8192Sha256,
    ] {
        let set = rsa::TestSet::load(name).expect("the vectors");
        for group in &set.test_groups {
            let key = RsaPublic::new(&group.key.n, &group.key.e).expect("a key that can be verified with");
            for test in &group.tests {
                let accepted = key.fits(&test.sig) && key.verifies(&test.msg, &test.sig);
                tally.add(&format!("{name:?}, {}: {}", test.tc_id, test.comment), test.result, accepted);
            }
        }
    }
    assert_eq!(tally, Tally { valid: 31, invalid: 999, weak: 4 });
}
