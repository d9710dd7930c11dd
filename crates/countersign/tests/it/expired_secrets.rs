//! A delivery that was signed with an expired secret is rejected as any other mismatch, and says why.

use crate::common::{BODY, ID, NOW, private_key};
use bytes::Bytes;
use countersign::sign::Signer;
use countersign::{MessageId, Reason, Rejection, Secret, UnixTime, Verifier};

fn secret(byte: u8) -> Secret {
    Secret::from_bytes(&[byte; 32]).expect("a secret")
}

fn expired(byte: u8, ago: u64) -> Secret {
    secret(byte).expiring_at(UnixTime::from_secs(NOW - ago))
}

fn rejection(secrets: impl IntoIterator<Item = Secret>, signer: &Signer) -> Rejection {
    let verifier = Verifier::builder("test").secrets(secrets).build().expect("a verifier");
    let (id, now) = (MessageId::parse(ID).expect("an id"), UnixTime::from_secs(NOW));
    let attempt = verifier.begin(&signer.sign(&id, now, BODY.as_bytes()), now).expect("a well-formed head");
    let rejection = attempt.finish(Bytes::from_static(BODY.as_bytes())).expect_err("nothing live has signed it");
    assert_eq!(rejection.reason(), Reason::SignatureMismatch);
    rejection
}

fn signed_by(bytes: &[u8]) -> Signer {
    Signer::new(bytes.iter().map(|byte| secret(*byte))).expect("a signer")
}

#[test]
fn a_mismatch_that_fits_an_expired_secret_says_so() {
    for (secrets, signer) in [
        (vec![expired(1, 0)], &[1][..]),
        (vec![secret(9), expired(1, 60)], &[1]),
        (vec![expired(1, 60), secret(9)], &[1]),
        // The second of the listed signatures, and the older of two secrets.
        (vec![secret(9), expired(1, 60), expired(2, 90)], &[7, 2]),
    ] {
        let rejection = rejection(secrets, &signed_by(signer));
        assert!(rejection.fits_expired_secret(), "{signer:?}");
        assert!(rejection.to_string().contains("expired"), "{rejection}");
    }
}

#[test]
fn a_mismatch_that_fits_nothing_does_not_speak_of_expiry() {
    let both = Signer::with_keys([secret(3)], [private_key(1)]).expect("a signer");
    for (secrets, signer) in [
        (vec![secret(9)], signed_by(&[1])),
        (vec![secret(9), expired(2, 60)], signed_by(&[1])),
        (vec![secret(9), expired(1, 60)], both),
    ] {
        let rejection = rejection(secrets, &signer);
        assert!(!rejection.fits_expired_secret() && !rejection.to_string().contains("expired"), "{rejection}");
    }
}

#[test]
fn only_the_two_secrets_that_expired_last_are_tried() {
    let secrets = || [expired(1, 300), expired(2, 100), expired(3, 200)];
    assert!(!rejection(secrets(), &signed_by(&[1])).fits_expired_secret());
    assert!(rejection(secrets(), &signed_by(&[2])).fits_expired_secret());
    assert!(rejection(secrets(), &signed_by(&[3])).fits_expired_secret());
}
