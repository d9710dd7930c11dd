//! Genuine deliveries, changed byte by byte: none is accepted. And Ed25519 as strict as it has to be.

use crate::common::{
    BODY, ID, NOW, SECRET, beside, builder, ed25519_jwks, payload, private_key, reason, set, signed, token,
    token_signer, v1, v1a, verifier, verify,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::key::PublicKeyError;
use countersign::sign::Signer;
use countersign::verifier::{MAX_ED25519_KEYS, VerifierError};
use countersign::{KeySet, PublicKey, Rejection, Secret, Verified, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMES: [HeaderName; 3] = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];

#[test]
fn no_flipped_bit_passes_in_a_list() {
    let verifier = verifier();
    for headers in [v1(BODY.as_bytes()), v1a(2, BODY.as_bytes())] {
        assert_eq!(reason(verify(&verifier, &headers, BODY.as_bytes())), "verified");
        for name in &NAMES {
            for changed in flipped(headers[name].as_bytes()) {
                let Some(headers) = with(&headers, name, &changed) else { continue };
                assert_ne!(reason(verify(&verifier, &headers, BODY.as_bytes())), "verified", "{headers:?}");
            }
        }
        for body in flipped(BODY.as_bytes()) {
            assert_eq!(reason(verify(&verifier, &headers, &body)), "signature_mismatch", "{body:?}");
        }
    }
}

#[test]
fn no_flipped_bit_passes_in_a_token() {
    let (verifier, headers) = (verifier(), token(&payload()));
    let genuine = verify(&verifier, &headers, BODY.as_bytes()).expect("genuine");
    for changed in flipped(headers[WEBHOOK_SIGNATURE].as_bytes()) {
        let Some(headers) = with(&headers, &WEBHOOK_SIGNATURE, &changed) else { continue };
        assert_ne!(reason(verify(&verifier, &headers, BODY.as_bytes())), "verified", "{headers:?}");
    }
    // What is not signed changes nothing of what is vouched for.
    for name in [WEBHOOK_ID, WEBHOOK_TIMESTAMP] {
        for changed in flipped(headers[&name].as_bytes()) {
            let Some(headers) = with(&headers, &name, &changed) else { continue };
            if let Ok(verified) = verify(&verifier, &headers, BODY.as_bytes()) {
                assert!(is_same(&genuine, &verified), "{verified:?}");
            }
        }
    }
    let bodies = flipped(BODY.as_bytes()).filter(|body| verify(&verifier, &headers, body).is_ok());
    let bodies: Vec<_> = bodies.map(|body| String::from_utf8(body).expect("JSON")).collect();
    // One digit of an escape in its other case: the same event.
    assert_eq!(bodies, [BODY.replace("00e9", "00E9")]);
    assert!(is_same_event(bodies[0].as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_other_body_passes(at in any::<prop::sample::Index>(), kind in 0..4, byte in any::<u8>(), scheme in 0..3) {
        let mut body = BODY.as_bytes().to_vec();
        let at = at.index(body.len());
        match kind {
            0 => body[at] = byte,
            1 => body.insert(at, byte),
            2 => drop(body.remove(at)),
            _ => body.truncate(at),
        }
        prop_assume!(body != BODY.as_bytes());
        let headers = match scheme {
            0 => v1(BODY.as_bytes()),
            1 => v1a(1, BODY.as_bytes()),
            _ => token(&payload()),
        };
        if verify(&verifier(), &headers, &body).is_ok() {
            prop_assert!(scheme == 2 && is_same_event(&body), "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn no_other_head_passes(at in any::<prop::sample::Index>(), byte in any::<u8>(), keep in any::<bool>(), scheme in 0..3, part in 0..3) {
        let headers = match scheme {
            0 => v1(BODY.as_bytes()),
            1 => v1a(3, BODY.as_bytes()),
            _ => token(&payload()),
        };
        let verifier = verifier();
        let genuine = verify(&verifier, &headers, BODY.as_bytes()).expect("genuine");
        let name = &NAMES[usize::try_from(part).expect("small")];
        let mut value = headers[name].as_bytes().to_vec();
        let at = at.index(value.len());
        if keep { value[at] = byte } else { value.remove(at); }
        prop_assume!(value != headers[name].as_bytes());
        if let Some(changed) = with(&headers, name, &value) && let Ok(verified) = verify(&verifier, &changed, BODY.as_bytes()) {
            prop_assert!(scheme == 2 && *name != WEBHOOK_SIGNATURE && is_same(&genuine, &verified), "{:?}", changed);
        }
    }

    #[test]
    fn the_order_in_which_keys_are_tried_changes_no_verdict(seeds in prop::collection::vec(1_u8..=5, 1..12)) {
        let shared = verifier();
        for seed in seeds {
            let headers = v1a(seed, BODY.as_bytes());
            let one = verify(&shared, &headers, BODY.as_bytes());
            let other = verify(&verifier(), &headers, BODY.as_bytes());
            let label = one.as_ref().map(Verified::key_label).map_err(Rejection::reason);
            prop_assert_eq!(&label, &other.as_ref().map(Verified::key_label).map_err(Rejection::reason));
            let expected = (seed <= 3).then(|| format!("key-{seed}"));
            prop_assert_eq!(label.ok(), expected.as_deref());
        }
    }
}

#[test]
fn a_key_under_which_everybody_can_sign_is_refused() {
    // The points of small order, in every encoding that decodes to one.
    let ends = |first: u8, middle: u8, last: u8| [vec![first], vec![middle; 30], vec![last]].concat();
    let mut weak = vec![ends(0, 0, 0), ends(0, 0, 0x80), ends(1, 0, 0), ends(1, 0, 0x80)];
    weak.extend([0xec, 0xed, 0xee].into_iter().flat_map(|first| [0x7f, 0xff].map(|last| ends(first, 0xff, last))));
    for point in [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        weak.push(hex::decode(point).expect("hex"));
    }
    for point in weak {
        let pinned = PublicKey::parse(&format!("whpk_{}", STANDARD.encode(&point)));
        assert_eq!(pinned.err(), Some(PublicKeyError::Weak), "{point:x?}");
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&point) });
        assert!(set(&[jwk]).is_empty(), "{point:x?}");
    }
}

#[test]
fn a_signature_has_one_spelling() {
    // The order of the group, least byte first: a scalar and the same scalar plus this mean the same.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let headers = v1a(1, BODY.as_bytes());
    let text = headers[WEBHOOK_SIGNATURE].to_str().expect("ASCII");
    let mut signature = STANDARD.decode(&text[4..]).expect("base64");
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (u8::try_from(sum & 255).expect("a byte"), sum >> 8);
    }
    let headers = with(&headers, &WEBHOOK_SIGNATURE, format!("v1a,{}", STANDARD.encode(&signature)).as_bytes());
    assert_eq!(reason(verify(&verifier(), &headers.expect("ASCII"), BODY.as_bytes())), "signature_mismatch");
    // R of small order, S zero.
    for first in [0, 1] {
        let mut signature = [0; 64];
        signature[0] = first;
        let headers = beside(&format!("v1a,{}", STANDARD.encode(signature)));
        assert_eq!(reason(verify(&verifier(), &headers, BODY.as_bytes())), "signature_mismatch");
    }
}

#[test]
fn no_more_than_sixteen_keys_are_tried() {
    let verifier = Verifier::builder("test").key_set(set(&ed25519_jwks(1..=20))).build().expect("a verifier");
    for (seed, expected) in [(16, "verified"), (17, "signature_mismatch"), (20, "signature_mismatch"), (1, "verified")]
    {
        assert_eq!(reason(verify(&verifier, &v1a(seed, BODY.as_bytes()), BODY.as_bytes())), expected, "{seed}");
    }
    let pinned = |seeds: std::ops::RangeInclusive<u8>| {
        seeds.map(|seed| PublicKey::parse(&private_key(seed).public()).expect("a key")).collect::<Vec<_>>()
    };
    // Those that are pinned come first.
    let both = Verifier::builder("test").public_keys(pinned(31..=45)).key_set(set(&ed25519_jwks(1..=2)));
    let both = both.build().expect("a verifier");
    for (seed, expected) in [(45, "verified"), (1, "verified"), (2, "signature_mismatch")] {
        assert_eq!(reason(verify(&both, &v1a(seed, BODY.as_bytes()), BODY.as_bytes())), expected, "{seed}");
    }
    let too_many = Verifier::builder("test").public_keys(pinned(1..=17)).build();
    assert_eq!((too_many.err(), MAX_ED25519_KEYS), (Some(VerifierError::TooManyPublicKeys), 16));
}

#[test]
fn a_signer_signs_with_each_of_its_keys() {
    let secret = || Secret::parse(SECRET).expect("a secret");
    let signer = Signer::with_keys([secret()], [private_key(1), private_key(9)]).expect("a signer");
    let headers = signed(&signer, BODY.as_bytes());
    let entries: Vec<_> = headers[WEBHOOK_SIGNATURE].to_str().expect("ASCII").split(' ').collect();
    let versions: Vec<_> = entries.iter().map(|entry| entry.split_once(',').expect("an entry").0).collect();
    assert_eq!(versions, ["v1", "v1a", "v1a"]);
    let pinned = |seed| Verifier::builder("test").public_keys(PublicKey::parse(&private_key(seed).public()));
    for verifier in [Verifier::builder("test").secret(secret()), pinned(1), pinned(9)] {
        let verifier = verifier.build().expect("a verifier");
        assert_eq!(reason(verify(&verifier, &headers, BODY.as_bytes())), "verified");
    }
    assert!(Signer::with_keys([], []).is_err() && Signer::with_keys([], vec![private_key(1); 9]).is_err());
}

#[test]
fn a_debug_of_what_signs_shows_no_key() {
    let secret = [STANDARD.encode([7; 32]), "[7, 7".into(), "0707".into(), "whsk_".into(), "whsec_".into()];
    let signer = Signer::with_keys([Secret::parse(SECRET).expect("a secret")], [private_key(7)]).expect("a signer");
    for debug in [format!("{:?}", private_key(7)), format!("{signer:?}"), format!("{signer:#?}")] {
        assert!(secret.iter().all(|secret| !debug.contains(secret)) && debug.contains("whpk_"), "{debug}");
    }
    assert_eq!(format!("{:?}", token_signer()), r#"TokenSigner { kid: "rsa-1", .. }"#);
}

#[test]
fn a_public_key_is_wanted_where_one_could_have_made_the_difference() {
    let none = Verifier::builder("test").secret(Secret::parse(SECRET).expect("a secret")).build().expect("a verifier");
    let keys_only = Verifier::builder("test").key_set(set(&ed25519_jwks(1..=3))).build().expect("a verifier");
    let empty = builder().key_set(KeySet::default()).build().expect("a verifier");
    let (all, body) = (verifier(), BODY.as_bytes());
    let genuine = payload();
    let header = |text: &str| beside(&crate::common::token_of(text, &genuine));
    let mut both = v1(b"other");
    let list = [&both, &v1a(9, body)].map(|headers| headers[WEBHOOK_SIGNATURE].to_str().expect("ASCII").to_owned());
    both.insert(WEBHOOK_SIGNATURE, list.join(" ").parse().expect("ASCII"));
    let mut late = v1a(9, body);
    late.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(NOW - 301));
    for (what, verifier, headers, reason, wanted) in [
        ("v1a, no key", &none, v1a(1, body), "unsupported_scheme", true),
        ("v1, no secret", &keys_only, v1(body), "unsupported_scheme", false),
        ("v1a, another key", &all, v1a(9, body), "signature_mismatch", true),
        ("v1, another body", &all, v1(b"other"), "signature_mismatch", false),
        ("both, neither fits", &all, both.clone(), "signature_mismatch", true),
        ("both, only a secret", &none, both, "signature_mismatch", true),
        ("too late", &all, late, "timestamp_too_old", false),
        ("no headers", &all, HeaderMap::new(), "missing_header", false),
        ("an unknown version", &all, beside("v2,YWJj"), "unsupported_scheme", false),
        ("a token, no policy", &keys_only, token(&genuine), "unsupported_scheme", false),
        ("a token, no keys", &empty, token(&genuine), "unknown_key", true),
        ("a token, an unknown kid", &all, header(r#"{"alg":"RS256","kid":"rsa-2"}"#), "unknown_key", true),
        ("a token, another algorithm", &all, header(r#"{"alg":"RS512","kid":"rsa-2"}"#), "token_algorithm", false),
        ("a token, crit", &all, header(r#"{"alg":"RS256","kid":"rsa-2","crit":[]}"#), "token_malformed", false),
        ("a token, another audience", &all, token(&genuine.replace("/gemini", "/")), "token_audience", false),
        ("a token, another body", &all, token(&genuine.replace("batch", "x")), "body_not_bound", false),
    ] {
        let rejection = verify(verifier, &headers, body).expect_err(what);
        assert_eq!((rejection.reason().as_str(), rejection.wants_public_key()), (reason, wanted), "{what}");
    }
    // The key of this name may have been replaced by another.
    let text = headers_text(&token(&genuine));
    let forged = beside(&format!("{}AAAA", &text[..text.len() - 4]));
    let rejection = verify(&all, &forged, body).expect_err("forged");
    assert_eq!((rejection.reason().as_str(), rejection.wants_public_key()), ("signature_mismatch", true));
}

#[test]
fn a_token_that_names_no_key_wants_none() {
    let headers = beside(&crate::common::token_of(r#"{"alg":"RS256"}"#, &payload()));
    let rejection = verify(&verifier(), &headers, BODY.as_bytes()).expect_err("no kid");
    assert_eq!((rejection.reason().as_str(), rejection.wants_public_key()), ("unknown_key", false));
}

fn headers_text(headers: &HeaderMap) -> String {
    headers[WEBHOOK_SIGNATURE].to_str().expect("ASCII").to_owned()
}

/// Every text that differs from this one in one bit.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}

/// `None` if HTTP cannot carry such a value.
fn with(headers: &HeaderMap, name: &HeaderName, value: &[u8]) -> Option<HeaderMap> {
    let mut headers = headers.clone();
    headers.insert(name, HeaderValue::from_bytes(value).ok()?);
    Some(headers)
}

/// Whether both vouch for the same, and the unsigned header has no say in it.
fn is_same(one: &Verified, other: &Verified) -> bool {
    one.message_id().as_str() != ID
        && one.replay_key() == other.replay_key()
        && (one.timestamp(), one.key_label(), one.body()) == (other.timestamp(), other.key_label(), other.body())
}

/// Whether this is the event of `BODY`, differently laid out.
fn is_same_event(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).ok() == serde_json::from_str(BODY).ok()
}
