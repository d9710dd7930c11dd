//! `jwks show`, and key sets from a URL.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::common::dynamic::{jwks, private_key, rsa_jwk, v1a_by};
use crate::common::{BODY, Captured, NOW, run};
use serde_json::{Value, json};

#[test]
fn a_table_says_which_keys_can_be_used() {
    let set = json!({ "keys": [private_key(1).jwk("key-1"), rsa_jwk("a \u{9b}31m"), {"kty": "oct", "k": "c2VjcmV0", "kid": "old"}] });
    let ran = show(&set, &[]);
    let lines: Vec<_> = ran.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        (ran.code, lines[0].as_str(), lines[1].as_str()),
        (0, "KEY SCHEME STATE", "key-1 v1a usable"),
        "{ran:?}"
    );
    assert!(lines[2].ends_with("rs256 usable") && !ran.stdout.contains('\u{9b}'), "{ran:?}");
    assert_eq!(lines[3], "old - skipped: it is a shared secret, which must never be published");
    assert_eq!((lines[4].as_str(), lines.len()), ("2 of 3 keys are usable", 5));
}

#[test]
fn each_skipped_key_has_its_reason() {
    let ed25519 = private_key(1).jwk("k");
    let rsa = rsa_jwk("k");
    let with = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let cases = [
        (json!(1), "not a JSON object"),
        (json!({}), "`kty`"),
        (with(&ed25519, "kid", json!(1)), "`kid` is not text"),
        (with(&ed25519, "kty", json!("okp")), "other case"),
        (with(&ed25519, "use", json!("enc")), "use is `enc`"),
        (with(&ed25519, "key_ops", json!(["sign"])), "`key_ops`"),
        (with(&ed25519, "crv", json!("X25519")), "`X25519`"),
        (with(&ed25519, "alg", json!("ES256")), "`ES256`"),
        (with(&ed25519, "x", json!("AAAA")), "32 bytes"),
        (with(&ed25519, "x", json!("A".repeat(43))), "everybody could sign"),
        (json!({"kty": "EC", "crv": "P-256"}), "`P-256`"),
        (json!({"kty": "AKP"}), "`AKP`"),
        (with(&rsa, "alg", json!("RS512")), "`RS512`"),
        (with(&rsa, "n", json!("_".repeat(170))), "base64url"),
        (with(&rsa, "n", json!(format!("gAAA{}", "A".repeat(167)))), "1024 bits"),
        (with(&rsa, "e", json!("AQ")), "not a sound key"),
        (with(&rsa, "kid", Value::Null), "no `kid`"),
    ];
    for (key, expected) in cases {
        let ran = show(&json!({ "keys": [key] }), &["--json"]);
        let found = &ran.json()["keys"][0];
        assert!(found["problem"].as_str().is_some_and(|problem| problem.contains(expected)), "{expected}: {found}");
        assert_eq!((ran.code, &found["scheme"]), (1, &Value::Null), "{expected}: {found}");
    }
}

#[test]
fn a_key_whose_private_half_is_published_is_not_trusted() {
    let mut key = private_key(1).jwk("key-1");
    key["d"] = json!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let ran = show(&json!({ "keys": [key, private_key(2).jwk("key-2")] }), &["--json"]);
    let keys = &ran.json()["keys"];
    assert!(keys[0]["problem"].as_str().is_some_and(|problem| problem.contains("private half")), "{keys}");
    assert_eq!((ran.code, &keys[0]["scheme"], &keys[1]["scheme"]), (0, &Value::Null, &json!("v1a")));
    assert_eq!(show(&json!({ "keys": [keys[0].clone(), key] }), &[]).code, 1);
}

#[test]
fn private_halves_of_every_kind_are_found() {
    let mut rsa = rsa_jwk("k");
    rsa["d"] = json!("AAEC");
    for key in [rsa, json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA", "kid": "k"})] {
        let found = show(&json!({ "keys": [key] }), &["--json"]).json();
        assert!(
            found["keys"][0]["problem"].as_str().is_some_and(|problem| problem.contains("private half")),
            "{found}"
        );
    }
}

#[test]
fn a_kid_must_be_text_and_belong_to_one_key() {
    for kid in [json!(1), json!(["k"]), json!({"k": 1}), json!(true)] {
        let mut key = private_key(1).jwk("k");
        key["kid"] = kid;
        let found = show(&json!({ "keys": [key] }), &["--json"]).json();
        assert!(
            found["keys"][0]["problem"].as_str().is_some_and(|problem| problem.contains("`kid` is not text")),
            "{found}"
        );
    }
    let twice = |other: u8| show(&json!({ "keys": [private_key(1).jwk("k"), private_key(other).jwk("k")] }), &[]);
    assert!(twice(2).stderr.contains("two different keys have the `kid` `k`"));
    // The same key twice is one.
    assert_eq!((twice(1).code, twice(1).stderr.as_str()), (0, ""));
}

#[test]
fn what_is_given_in_place_of_a_set_is_named() {
    for (document, expected) in [
        (private_key(1).jwk("a"), "single key"),
        (json!([private_key(1).jwk("a")]), "list of keys"),
        (json!({"jwks_uri": "https://a.example/jwks"}), "https://a.example/jwks"),
        (json!({"a": "-----BEGIN CERTIFICATE-----\nMII"}), "certificates by key id"),
    ] {
        let ran = show(&document, &[]);
        assert_eq!((ran.code, ran.stderr.contains(expected)), (2, true), "{ran:?}");
    }
}

#[test]
fn keys_that_are_never_tried_are_named() {
    let keys: Vec<_> = (1..=17).map(|seed| private_key(seed).jwk(&format!("key-{seed}"))).collect();
    let found = show(&json!({ "keys": keys }), &["--json"]).json();
    assert_eq!(found["keys"][15], json!({"key": "key-16", "scheme": "v1a", "problem": null}));
    assert!(
        found["keys"][16]["problem"].as_str().is_some_and(|problem| problem.contains("no more are tried")),
        "{found}"
    );
}

#[test]
fn what_is_no_set_is_a_usage_error() {
    for (set, expected) in [(json!([]), "not a key set"), (json!({ "keys": vec![1; 65] }), "more than 64 keys")] {
        let ran = show(&set, &[]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.contains(expected)), (2, "", true), "{ran:?}");
    }
}

#[test]
fn a_set_is_fetched_from_this_machine() {
    let ran = run(["jwks", "show", &serving("200 OK")]);
    assert_eq!((ran.code, ran.stdout.contains("key-2  v1a     usable")), (0, true), "{ran:?}");
    let delivery = v1a_by(2, NOW, BODY).args(["--jwks", &serving("200 OK")]);
    assert_eq!(delivery.run("verify").code, 0);
    let ran = run(["jwks", "show", &serving("404 Not Found")]);
    assert_eq!((ran.code, ran.stderr.contains("cannot be fetched: the response has status 404")), (2, true), "{ran:?}");
}

fn show(set: &Value, args: &[&str]) -> crate::common::Ran {
    let folder = Captured::authentic();
    let file = folder.write("set.json", set.to_string());
    run(["jwks", "show", &file].into_iter().chain(args.iter().copied()))
}

/// Answers one request with the key set, and this status.
fn serving(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let head =
            BufReader::new(&stream).lines().map(|line| line.expect("a line")).take_while(|line| !line.is_empty());
        assert!(head.count() > 0);
        let set = jwks().to_string();
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{set}", set.len());
        stream.write_all(answer.as_bytes()).expect("a client");
    });
    url
}
