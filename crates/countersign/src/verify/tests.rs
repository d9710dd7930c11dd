//! The bytes that are hashed before a forged delivery is rejected, counted.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::crypto::hashed;
use crate::sign::{PrivateKey, Signer, TokenSigner};
use crate::{KeySet, Secret, TokenPolicy};

const NOW: UnixTime = UnixTime::from_secs(1_790_661_946);

fn secret(number: usize) -> Secret {
    Secret::parse(&STANDARD.encode([u8::try_from(number).expect("small"); 32])).expect("a secret")
}

fn private_key(number: usize) -> PrivateKey {
    PrivateKey::from_seed(&[u8::try_from(number).expect("small"); 32])
}

/// The keys with these numbers.
fn set(keys: impl IntoIterator<Item = usize>) -> Arc<KeySet> {
    let keys: Vec<Value> = keys.into_iter().map(|number| private_key(number).jwk(&format!("key-{number}"))).collect();
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set").into()
}

/// A signature over something else: nothing tells it from one that fits but the message.
fn entry(version: &str, seed: u8) -> String {
    let id = MessageId::parse("msg_other").expect("an id");
    let signer = match version {
        "v1" => Signer::new([secret(usize::from(seed))]),
        _ => Signer::with_keys([], [private_key(usize::from(seed))]),
    };
    let headers = signer.expect("a key").sign(&id, NOW, &[seed]);
    headers[WEBHOOK_SIGNATURE].to_str().expect("ASCII").to_owned()
}

fn headers(signature: &str) -> HeaderMap {
    HeaderMap::from_iter([
        (WEBHOOK_ID, HeaderValue::from_static("msg_1")),
        (WEBHOOK_TIMESTAMP, HeaderValue::from(NOW.as_secs())),
        (WEBHOOK_SIGNATURE, HeaderValue::from_str(signature).expect("ASCII")),
    ])
}

/// What `Attempt::body_limit` promises.
fn assert_bounded(len: usize) -> usize {
    let (sha256, sha512) = hashed::take();
    let hashed = sha256 + 4 * sha512;
    assert!(hashed <= 4 * len + 1_250_000, "{hashed} bytes for a body of {len}");
    hashed
}

fn finish(attempt: Result<Attempt, Rejection>, body: &Bytes) -> Result<Verified, Rejection> {
    attempt?.finish(body.clone())
}

fn entries() -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![
        3 => any::<u8>().prop_map(|seed| entry("v1", seed)),
        6 => any::<u8>().prop_map(|seed| entry("v1a", seed)),
        1 => prop::collection::vec(any::<u8>(), 64..=64).prop_map(|bytes| format!("v1a,{}", STANDARD.encode(bytes))),
        1 => prop::collection::vec(any::<u8>(), 0..70).prop_map(|bytes| format!("v2,{}", STANDARD.encode(bytes))),
        1 => Just("v1a,not base64".to_owned()),
    ];
    (prop::collection::vec(one, 1..36), 1..3_usize).prop_map(|(entries, times)| vec![entries; times].concat())
}

fn body_len() -> impl Strategy<Value = usize> {
    prop_oneof![0..2_000_usize, 0..60_000_usize, 0..3_000_000_usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rejecting_a_list_hashes_no_more_than_is_promised(
        secrets in 0..=8_usize, expired in 0..=8_usize, keys in 0..24_usize, newer in 0..24_usize,
        entries in entries(), len in body_len(), at_the_limit in any::<bool>(),
    ) {
        let secret = |number| {
            let secret = secret(100 + number);
            if number < expired { secret.expiring_at(NOW) } else { secret }
        };
        let tried = Verifier::builder("test").secrets((0..secrets).map(secret)).key_set(set(0..keys));
        let tried = tried.build().expect("a verifier");
        let headers = headers(&entries.join(" "));
        hashed::take();
        let attempt = tried.begin(&headers, NOW);
        prop_assert_eq!(hashed::take(), (0, 0));
        let limit = attempt.as_ref().ok().and_then(Attempt::body_limit);
        let len = limit.filter(|_| at_the_limit).map_or(len, |limit| limit.min(4_000_000));
        let body = Bytes::from(vec![b'x'; len]);
        let rejection = finish(attempt, &body).expect_err("nobody signed it");
        let first = assert_bounded(len);
        prop_assert!(rejection.reason() != Reason::BodyTooLarge || first == 0);
        prop_assert_eq!(rejection.reason() == Reason::BodyTooLarge, limit.is_some_and(|limit| len > limit));

        // Some of the keys stay, and others come.
        let newer = tried.with_key_set(set(keys / 2..keys / 2 + newer));
        let again = finish(newer.begin_again(&tried, &headers, NOW), &body);
        prop_assert!(again.is_err());
        let (sha256, sha512) = hashed::take();
        prop_assert!(first + sha256 + 4 * sha512 <= 4 * len + 1_250_000, "{} {} {}", first, sha256, sha512);
    }
}

#[test]
fn the_most_work_that_a_list_can_cause_is_done_and_is_bounded() {
    let list = |versions: &[&str]| {
        let entries: Vec<_> =
            (0..32_u8).map(|seed| entry(versions[usize::from(seed) % versions.len()], seed)).collect();
        headers(&entries.join(" "))
    };
    let many = Verifier::builder("test").secrets((100..108).map(secret)).key_set(set(100..116));
    let many = many.build().expect("a verifier");
    let two = Verifier::builder("test").key_set(set([100, 101])).build().expect("a verifier");
    for (verifier, headers, passes, trials) in
        [(&many, list(&["v1"]), 8, 0), (&many, list(&["v1", "v1a"]), 8, 16), (&two, list(&["v1a"]), 0, 16)]
    {
        let attempt = verifier.begin(&headers, NOW).expect("a good head");
        let limit = attempt.body_limit().expect("a limit");
        hashed::take();
        let over = Bytes::from(vec![b'x'; limit + 1]);
        let rejection = attempt.clone().finish(over).expect_err("too large");
        assert_eq!((rejection.reason(), hashed::take()), (Reason::BodyTooLarge, (0, 0)));
        let rejection = attempt.finish(Bytes::from(vec![b'x'; limit])).expect_err("nobody signed it");
        assert_eq!(rejection.reason(), Reason::SignatureMismatch);
        let signed = limit + "msg_1.1790661946.".len();
        assert_eq!(hashed::take(), (passes * signed, trials * signed));
    }
}

#[test]
fn keys_that_were_tried_are_not_tried_again() {
    let id = MessageId::parse("msg_1").expect("an id");
    let sign = |key| Signer::with_keys([secret(9)], [private_key(key)]).expect("keys").sign(&id, NOW, b"body");
    let tried = Verifier::builder("test").secret(secret(1)).key_set(set(10..13)).build().expect("a verifier");
    let newer = tried.with_key_set(set(11..14));
    let body = Bytes::from_static(b"body");
    let signed = "msg_1.1790661946.body".len();
    for (key, reason, work) in [
        (13, None, (0, signed)),
        (14, Some(Reason::SignatureMismatch), (0, signed)),
        // Its key was withdrawn.
        (10, Some(Reason::SignatureMismatch), (0, signed)),
    ] {
        let headers = sign(key);
        hashed::take();
        let found = finish(newer.begin_again(&tried, &headers, NOW), &body);
        assert_eq!((found.err().map(|rejection| rejection.reason()), hashed::take()), (reason, work), "{key}");
    }
    // Nothing is new: nothing is done, and the body is not needed.
    let rejection = tried.begin_again(&tried, &sign(13), NOW).expect_err("tried before");
    assert_eq!(rejection.reason(), Reason::SignatureMismatch);
    // Other secrets are tried.
    let other = Verifier::builder("test").secret(secret(9)).build().expect("a verifier");
    assert_eq!(finish(other.begin_again(&tried, &sign(99), NOW), &body).expect("signed").scheme(), Scheme::V1);
}

#[test]
fn a_list_that_nothing_can_match_needs_no_body() {
    let now = NOW;
    let expired = Verifier::builder("test").secret(secret(1).expiring_at(now)).key_set(set([1]));
    let expired = expired.build().expect("a verifier");
    let impossible = format!("v1a,{}", STANDARD.encode([0xff; 64]));
    let rejection = expired.begin(&headers(&impossible), now).expect_err("hopeless");
    assert_eq!((rejection.reason(), rejection.wants_public_key()), (Reason::SignatureMismatch, true));
    // Where only an expired secret could match, the body is read to say whether it does.
    let rejection = finish(expired.begin(&headers(&entry("v1", 1)), now), &Bytes::from_static(b"{}"));
    assert_eq!(rejection.expect_err("expired").reason(), Reason::SignatureMismatch);
    assert!(expired.begin(&headers(&format!("{impossible} {}", entry("v1a", 1))), now).is_ok());
}

/// `count` RSA keys of one name, and the signer of the last.
fn keys_of_one_name(count: usize) -> (Vec<Value>, TokenSigner) {
    let signer = TokenSigner::generate("rsa-1").expect("a signer");
    let mut keys = vec![signer.jwk(); count];
    for (number, key) in keys[..count - 1].iter_mut().enumerate() {
        // Another exponent, and so another key.
        let exponent = u32::try_from(65_539 + 2 * number).expect("small").to_be_bytes();
        key["e"] = URL_SAFE_NO_PAD.encode(&exponent[1..]).into();
    }
    (keys, signer)
}

fn token_verifier(keys: &[Value]) -> Verifier {
    let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set");
    Verifier::builder("test").key_set(set).token(TokenPolicy::new(["a"])).build().expect("a verifier")
}

#[test]
fn few_rsa_keys_of_one_name_are_tried_and_none_twice() {
    let claims = json!({ "aud": "a", "iat": NOW.as_secs(), "type": "x" });
    let body = Bytes::from_static(br#"{"type":"x"}"#);
    for (count, trials, is_verified) in [(1, 1, true), (4, 4, true), (5, 4, false), (64, 4, false)] {
        let (keys, signer) = keys_of_one_name(count);
        let token = signer.sign(claims.as_object().expect("an object")).expect("a token");
        let headers = headers(token.to_str().expect("ASCII"));
        let input = token.to_str().expect("ASCII").rfind('.').expect("a token");
        let verifier = token_verifier(&keys);
        hashed::take();
        let attempt = verifier.begin(&headers, NOW);
        // The id of one that is accepted is a hash, too.
        assert_eq!(hashed::take(), (input * (trials + usize::from(is_verified)), 0), "{count}");
        assert_eq!(finish(attempt, &body).is_ok(), is_verified, "{count}");

        // A key of the same name that is new is found: those before it were tried.
        let (old, new) = keys.split_at(count - 1);
        let tried = token_verifier(old);
        let newer = tried.with_key_set(Arc::clone(token_verifier(&[old, new].concat()).key_set()));
        assert!(finish(newer.begin_again(&tried, &headers, NOW), &body).is_ok(), "{count}");
    }
    // The same key 64 times is one key.
    let (keys, signer) = keys_of_one_name(1);
    let repeated = token_verifier(&vec![keys[0].clone(); 64]);
    assert_eq!(repeated.key_set().len(), 1);
    // A signature of another length fits no key.
    let token = signer.sign(claims.as_object().expect("an object")).expect("a token");
    let longer = format!("{}AAAA", token.to_str().expect("ASCII"));
    hashed::take();
    let rejection = repeated.begin(&headers(&longer), NOW).expect_err("forged");
    assert_eq!((rejection.reason(), hashed::take()), (Reason::SignatureMismatch, (0, 0)));
}

#[test]
fn a_token_beside_another_body_hashes_it_once_at_most() {
    let signer = TokenSigner::generate("rsa-1").expect("a signer");
    let verifier = token_verifier(&[signer.jwk()]);
    let body = Bytes::from(format!(r#"{{"type":"x","pad":"{}"}}"#, "x".repeat(1 << 20)));
    for (claim, passes) in [("event", 0), ("body_sha256", 1)] {
        let claims = json!({ "aud": "a", "iat": NOW.as_secs(), "type": "x", claim: "x" });
        let token = signer.sign(claims.as_object().expect("an object")).expect("a token");
        let attempt = verifier.begin(&headers(token.to_str().expect("ASCII")), NOW).expect("a genuine token");
        assert_eq!(attempt.body_limit(), None);
        hashed::take();
        let rejection = attempt.finish(body.clone()).expect_err("another body");
        assert_eq!((rejection.reason(), hashed::take()), (Reason::BodyNotBound, (passes * body.len(), 0)), "{claim}");
    }
}

#[test]
fn a_header_of_any_length_is_rejected_before_it_is_read() {
    let verifier = token_verifier(&[TokenSigner::generate("rsa-1").expect("a signer").jwk()]);
    for (signature, reason) in [
        (format!("v2,{}", "A".repeat(16 * 1024)), Reason::MalformedSignature),
        (format!("{}v1,", " ".repeat(17 * 1024)), Reason::MalformedSignature),
        (format!("{}.{}.AAAA", "A".repeat(40 * 1024), "A".repeat(40 * 1024)), Reason::TokenMalformed),
    ] {
        let rejection = verifier.begin(&headers(&signature), NOW).expect_err("too long");
        assert_eq!(rejection.reason(), reason, "{}", signature.len());
    }
}

#[test]
fn the_signatures_of_a_rotation_meet_eight_keys_and_one_meets_sixteen() {
    let id = MessageId::parse("msg_1").expect("an id");
    let body = Bytes::from(vec![b'x'; 300]);
    for (signing, keys) in [(vec![200, 15], 16), (vec![15], 16), (vec![200, 7], 8), (vec![200, 201, 4], 5)] {
        let is_tried = signing.len() * keys <= 16;
        let signer = Signer::with_keys([], signing.iter().map(|number| private_key(*number))).expect("keys");
        let verifier = Verifier::builder("test").key_set(set(0..keys)).build().expect("a verifier");
        let found = finish(verifier.begin(&signer.sign(&id, NOW, &body), NOW), &body);
        assert_eq!(found.is_ok(), is_tried, "{signing:?} {keys}");
        // The key that matched last is tried first, so that a rotation is over once it has begun.
        let single = Signer::with_keys([], [private_key(keys - 1)]).expect("a key");
        assert!(finish(verifier.begin(&single.sign(&id, NOW, &body), NOW), &body).is_ok());
        let signer = Signer::with_keys([], [private_key(keys - 1), private_key(200)]).expect("keys");
        assert!(finish(verifier.begin(&signer.sign(&id, NOW, &body), NOW), &body).is_ok(), "{keys}");
    }
}
