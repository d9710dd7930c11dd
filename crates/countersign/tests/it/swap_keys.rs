//! Keys that are replaced while requests are being verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::Bytes;
use countersign::key_source::{KeySource, Refreshed, SwapKeys};
use countersign::sign::Signer;
use countersign::{MessageId, Reason, Secret, UnixTime, Verifier};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const NOW: UnixTime = UnixTime::from_secs(1_795_176_000);

fn secret(text: &str) -> Secret {
    Secret::parse(text).expect("a good secret")
}

/// A verifier whose secret has the number as its label.
fn numbered(number: u64) -> Verifier {
    Verifier::builder("test").secret(secret(SECRET).labelled(number.to_string())).build().expect("a verifier")
}

/// The label of the key that verifies a delivery, which is signed with this secret.
fn verify(verifier: &Verifier, signed_with: &str) -> Result<String, Reason> {
    let id = MessageId::parse("msg_1").expect("a good id");
    let headers = Signer::new([secret(signed_with)]).expect("a key").sign(&id, NOW, b"{}");
    let verdict = verifier.begin(&headers, NOW).and_then(|attempt| attempt.finish(Bytes::from_static(b"{}")));
    verdict.map(|verified| verified.key_label().to_owned()).map_err(|rejection| rejection.reason())
}

#[test]
fn a_replaced_secret_no_longer_verifies() {
    let keys = SwapKeys::new(numbered(1));
    assert_eq!(verify(&keys.verifier(), SECRET), Ok("1".to_owned()));
    let other = Verifier::builder("test").secret(secret(OTHER)).build().expect("a verifier");
    let replaced = keys.replace(other);
    assert_eq!(verify(&replaced, SECRET), Ok("1".to_owned()), "the caller gets the old verifier");
    assert_eq!(verify(&keys.verifier(), SECRET), Err(Reason::SignatureMismatch));
    assert_eq!(verify(&keys.verifier(), OTHER), Ok("secret-1".to_owned()));
}

#[test]
fn a_request_that_was_tried_with_the_old_keys_gets_the_new_ones() {
    let keys = SwapKeys::new(numbered(1));
    let tried = keys.verifier();
    assert!(matches!(keys.refresh(&tried).into_inner(), Refreshed::Unchanged));
    keys.replace(numbered(2));
    let Refreshed::Newer(newer) = keys.refresh(&tried).into_inner() else { panic!("there are newer keys") };
    assert_eq!(verify(&newer, SECRET), Ok("2".to_owned()));
    assert!(matches!(keys.refresh(&newer).into_inner(), Refreshed::Unchanged));
}

#[test]
fn readers_see_each_replacement_once_it_has_returned_and_none_before_its_predecessor() {
    const LAST: u64 = 2_000;
    let (keys, replaced) = (Arc::new(SwapKeys::new(numbered(0))), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut newest = 0;
                while newest < LAST {
                    let oldest = replaced.load(Ordering::SeqCst).max(newest);
                    let label = verify(&keys.verifier(), SECRET).expect("every verifier has the secret");
                    newest = label.parse().expect("a number");
                    assert!(newest >= oldest, "{newest} after {oldest}");
                }
            });
        }
        for number in 1..=LAST {
            keys.replace(numbered(number));
            replaced.store(number, Ordering::SeqCst);
        }
    });
}
