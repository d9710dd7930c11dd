//! Key sets: what is passed over, what is refused, and what a key is called.

use crate::common::{modulus, private_key, rsa_jwk, set};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use countersign::KeySet;
use countersign::key::KeySetError;
use serde_json::{Value, json};

#[test]
fn one_bad_key_among_good_ones_is_passed_over() {
    let (ed25519, rsa) = (private_key(1).jwk("good"), rsa_jwk("good"));
    let with = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let number = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
    let even = [&modulus()[..255], &[2]].concat();
    let bad = [
        // No key at all, or of another kind
        json!(null),
        json!(1),
        json!("key"),
        json!([]),
        json!({}),
        // The parameters by their places
        json!(["OKP", "Ed25519", ed25519["x"], null, null, "good", null, null, null]),
        json!({ "kty": 1 }),
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "oct" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "ec" }),
        with(&ed25519, "kty", json!("okp")),
        with(&ed25519, "crv", json!("X25519")),
        with(&ed25519, "crv", json!("Ed448")),
        with(&ed25519, "crv", Value::Null),
        // For something else
        with(&ed25519, "use", json!("enc")),
        with(&ed25519, "use", json!("")),
        with(&ed25519, "key_ops", json!(["sign"])),
        with(&ed25519, "key_ops", json!([])),
        with(&ed25519, "alg", json!("RS256")),
        with(&rsa, "use", json!("enc")),
        with(&rsa, "key_ops", json!(["encrypt", "wrapKey"])),
        with(&rsa, "alg", json!("PS256")),
        with(&rsa, "alg", json!("RSA-OAEP")),
        with(&rsa, "alg", json!("HS256")),
        // Of the wrong form
        with(&ed25519, "x", Value::Null),
        with(&ed25519, "x", json!("")),
        with(&ed25519, "x", number(&[9; 31])),
        with(&ed25519, "x", number(&[9; 33])),
        with(&ed25519, "x", json!(URL_SAFE.encode([9; 32]))),
        with(&ed25519, "x", json!("+/".repeat(21) + "A")),
        with(&rsa, "n", Value::Null),
        with(&rsa, "n", json!("=")),
        with(&rsa, "e", Value::Null),
        with(&rsa, "kid", Value::Null),
        with(&rsa, "kid", json!(1)),
        // Weak
        with(&rsa, "n", number(&modulus()[..128])),
        with(&rsa, "n", number(&[&[0x7f], &modulus()[1..]].concat())),
        with(&rsa, "n", number(&[&[0; 128], &modulus()[128..]].concat())),
        with(&rsa, "n", number(&even)),
        with(&rsa, "n", number(&[0xff; 1025])),
        with(&rsa, "n", number(&[])),
        with(&rsa, "n", number(&[0; 256])),
        with(&rsa, "e", number(&[1])),
        with(&rsa, "e", number(&[0, 1])),
        with(&rsa, "e", number(&[2])),
        with(&rsa, "e", number(&[])),
        with(&rsa, "e", number(&[0])),
        // Nothing can be verified with it
        with(&rsa, "e", number(&[0xff; 8])),
        with(&rsa, "e", number(&[3, 0xff, 0xff, 0xff, 0xff])),
        with(&rsa, "e", rsa["n"].clone()),
    ];
    for bad in bad {
        let read = set(&[rsa.clone(), bad.clone(), ed25519.clone()]);
        assert_eq!(read.labels().collect::<Vec<_>>(), [("good", "v1a"), ("good", "rs256")], "{bad}");
        assert!(set(std::slice::from_ref(&bad)).is_empty(), "{bad}");
    }
    for good in [
        with(&ed25519, "alg", json!("EdDSA")),
        with(&ed25519, "alg", json!("Ed25519")),
        with(&ed25519, "use", Value::Null),
        with(&ed25519, "key_ops", json!(["verify"])),
        with(&ed25519, "x5u", json!("https://evil.example.com")),
        with(&rsa, "alg", json!("RS256")),
        with(&rsa, "use", json!("sig")),
        with(&rsa, "n", number(&[&[0], &modulus()[..]].concat())),
        with(&rsa, "e", number(&[3])),
    ] {
        assert_eq!(set(std::slice::from_ref(&good)).len(), 1, "{good}");
    }
}

#[test]
fn a_key_whose_private_half_is_published_is_never_trusted() {
    let with = |key: &Value, name: &str| {
        let mut key = key.clone();
        key[name] = json!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        key
    };
    let renamed = |key: &Value| {
        let mut key = key.clone();
        key["kid"] = json!("another");
        key
    };
    for public in [private_key(1).jwk("leaked"), rsa_jwk("leaked")] {
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
            // The public half may also be listed alone, and under another name.
            let keys = [public.clone(), with(&public, member), renamed(&public), private_key(2).jwk("good")];
            let set = set(&keys);
            assert_eq!(set.labels().collect::<Vec<_>>(), [("good", "v1a")], "{member}");
            let skipped: Vec<_> = set.skipped().iter().map(|key| (key.place(), key.kid(), key.is_private())).collect();
            let expected = [(1, Some("leaked"), true), (2, Some("leaked"), true), (3, Some("another"), true)];
            assert_eq!(skipped, expected, "{member}");
        }
    }
}

#[test]
fn skipped_keys_say_where_they_are_and_why() {
    let mut numbered = private_key(1).jwk("k");
    numbered["kid"] = json!(1);
    let set = set(&[json!({ "kty": "EC", "crv": "P-256", "kid": "a\nb" }), private_key(2).jwk("good"), numbered]);
    let skipped: Vec<_> = set.skipped().iter().map(ToString::to_string).collect();
    let expected = [
        "key 1 (`a\\nb`): its curve is `P-256`, but `v1a` uses Ed25519",
        "key 3: its `kid` is not text: the publisher must put it in quotes, or leave it out (`v1a` does not need one)",
    ];
    assert_eq!(skipped, expected);
    assert!(set.skipped().iter().all(|key| !key.is_private()));
}

#[test]
fn a_set_is_bounded_before_it_is_read() {
    let jwk = |number: usize| private_key(u8::try_from(number).expect("small")).jwk("k");
    let document = |keys: usize| json!({ "keys": (0..keys).map(jwk).collect::<Vec<_>>(), "more": [] }).to_string();
    let parse = |document: &str| KeySet::parse(document.as_bytes()).map(|set| set.len());
    assert_eq!(parse(&document(KeySet::MAX_KEYS)), Ok(64));
    assert_eq!(parse(&document(KeySet::MAX_KEYS + 1)), Err(KeySetError::TooManyKeys));
    // One key that is listed often is one.
    let repeated = json!({ "keys": vec![jwk(1); KeySet::MAX_KEYS] }).to_string();
    assert_eq!(parse(&repeated), Ok(1));
    // Keys that are passed over count too.
    let odd = json!({ "keys": vec![Value::Null; 65] }).to_string();
    assert_eq!(parse(&odd), Err(KeySetError::TooManyKeys));
    let padded = |len: usize| document(1) + &" ".repeat(len - document(1).len());
    assert_eq!(parse(&padded(KeySet::MAX_DOCUMENT)), Ok(1));
    assert_eq!(parse(&padded(256 * 1024 + 1)), Err(KeySetError::TooLarge));
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[]"#,
        "<html>",
        r#"{"keys":[]}{}"#,
        "\u{feff}{}",
        "[[]]",
        r#"{"keys":[],"keys":[]}"#,
    ] {
        assert_eq!(parse(text), Err(KeySetError::NotAKeySet), "{text}");
    }
    assert_eq!(parse(r#"{"keys":[]}"#), Ok(0));
}

/// The examples of RFC 7638 (3.1) and RFC 8037 (A.3).
#[test]
fn a_key_without_a_name_that_may_stand_in_a_header_is_called_by_its_thumbprint() {
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
                     FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnY\
                     b9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0\
                     Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let long = "k".repeat(65);
    for kid in ["", "a b", "a\nb", "é", "\u{7f}", &long] {
        let rsa = json!({ "kty": "RSA", "n": N, "e": "AQAB", "alg": "RS256", "kid": kid });
        let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": kid });
        let expected = [
            ("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "v1a"),
            ("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "rs256"),
        ];
        assert_eq!(set(&[rsa, ed25519]).labels().collect::<Vec<_>>(), expected, "{kid:?}");
    }
    let unnamed = set(&[json!({ "kty": "OKP", "crv": "Ed25519", "x": X })]);
    assert_eq!(unnamed.labels().next(), Some(("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "v1a")));
}

#[test]
fn a_point_that_is_not_written_as_it_should_be_is_no_key() {
    // y = p + k for the few k for which that fits: the same point as y = k, and another key by its bytes.
    for k in 0..19 {
        for sign in [0x7f, 0xff] {
            let point = [vec![0xed + k], vec![0xff; 30], vec![sign]].concat();
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&point) });
            assert!(set(&[jwk]).is_empty(), "p + {k}, {sign:x}");
        }
    }
}
