//! The mistakes of dynamic webhooks, `v1a` and tokens, and what `explain` says of each first.

use crate::common::dynamic::{
    AUDIENCE, ISSUER, claims, forged, jwks, private_key, registered, rsa_jwk, token, token_text, v1a, v1a_by,
    with_token,
};
use crate::common::{BODY, Captured, ID, NOW, OTHER_SECRET, SECRET};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value, json};

/// How it was spoilt, the code of the first finding, and what its evidence or advice names.
type Case = (&'static str, &'static str, &'static str, fn() -> Captured);

const CASES: &[Case] = &[
    // The wrong kind of key
    ("a secret for v1a", "v1a_delivery", "--jwks", || v1a_by(2, NOW, BODY).secret(SECRET)),
    ("RSA keys for v1a", "v1a_delivery", "no usable Ed25519 key", || {
        v1a_by(2, NOW, BODY).jwks(&json!({ "keys": [rsa_jwk("rsa-1")] }))
    }),
    ("a secret for a token", "token_delivery", "neither a key set nor an audience", || {
        with_token(&token_text("rsa-1", &claims())).secret(SECRET)
    }),
    ("no audience", "token_delivery", "no audience was given", || {
        with_token(&token_text("rsa-1", &claims())).jwks(&jwks())
    }),
    ("no key set", "token_delivery", "no key set was given", || {
        with_token(&token_text("rsa-1", &claims())).secret(SECRET).args(["--audience", AUDIENCE])
    }),
    ("public keys for v1", "v1_delivery", "--secret-file", || {
        Captured::authentic().without_args().args(["--now", "1790661946"]).jwks(&jwks())
    }),
    // v1a
    ("another key", "v1a_key_unknown", "`key-1`, `key-2`, `key-3`", || v1a_by(9, NOW, BODY).jwks(&jwks())),
    ("a pinned key of another", "v1a_key_unknown", "rotated", || {
        v1a_by(9, NOW, BODY).args(["--public-key", &private_key(1).public()])
    }),
    ("a body of JSON.stringify", "body_reserialised", "key-2", || {
        v1a(NOW, &BODY.replace("\":", "\": ").replace(",\"", ", \"")).body(BODY)
    }),
    ("a newline lost", "body_trailing_newline_lost", "key-2", || v1a(NOW, &format!("{BODY}\n")).body(BODY)),
    ("another id", "id_from_another_delivery", "key-2", || {
        v1a(NOW, BODY).header("webhook-id", |_| "msg_2".into()).args(["--try-id", ID])
    }),
    ("a timestamp set anew", "timestamp_from_another_delivery", "key-2", || {
        v1a(NOW - 17, BODY).header("webhook-timestamp", |_| NOW.to_string())
    }),
    ("base64url", "signature_base64url", "key-2", || signature(|text| format!("v1a,{}", URL_SAFE.encode(raw(text))))),
    ("without padding", "signature_unpadded", "key-2", || signature(|text| text.trim_end_matches('=').into())),
    ("in hex", "signature_hex", "key-2", || signature(|text| format!("v1a,{}", hex::encode(raw(text))))),
    ("without a version", "signature_without_version", "key-2", || signature(|text| text[4..].into())),
    ("as v1", "signature_without_version", "key-2", || signature(|text| text.replacen("v1a", "v1", 1))),
    ("late", "delivery_too_old", "The signature matches", || v1a(NOW - 301, BODY)),
    ("a clock behind", "clock_behind", "The signature matches", || v1a(NOW + 7200, BODY)),
    // Tokens
    ("another audience", "token_audience", "https://other.example.com/", || {
        spoilt("aud", json!("https://other.example.com/"))
    }),
    ("a slash at its end", "token_audience", AUDIENCE, || spoilt("aud", json!([format!("{AUDIENCE}/")]))),
    ("no audience in it", "token_audience", "The audience is none", || without("aud")),
    ("another issuer", "token_issuer", "https://evil.example.com", || {
        spoilt("iss", json!("https://evil.example.com")).args(["--issuer", ISSUER])
    }),
    ("a key rotated away", "token_key_unknown", "`rsa-0`, and the key set has: `rsa-1`", || named("rsa-0")),
    ("no RSA key", "token_key_unknown", "no usable RSA key", || {
        with_token(&token_text("rsa-1", &claims()))
            .jwks(&json!({ "keys": [private_key(1).jwk("rsa-1")] }))
            .args(["--audience", AUDIENCE])
    }),
    ("no kid", "token_key_unknown", "names no key", || headed(&json!({ "alg": "RS256" }))),
    ("a changed token", "token_signature", "rsa-1", || headed(&json!({ "alg": "RS256", "kid": "rsa-1" }))),
    ("HS256 with the public key", "token_hmac", "everybody", || headed(&json!({ "alg": "HS256", "kid": "rsa-1" }))),
    ("alg none", "token_unsigned", "nOnE", || headed(&json!({ "alg": "nOnE", "kid": "rsa-1" }))),
    ("RS512", "token_algorithm", "RS512", || headed(&json!({ "alg": "RS512", "kid": "rsa-1" }))),
    ("crit", "token_malformed", "crit", || headed(&json!({ "alg": "RS256", "kid": "rsa-1", "crit": ["b64"] }))),
    ("claims of odd types", "token_malformed", "usual types", || spoilt("exp", json!("tomorrow"))),
    ("Bearer", "token_decorated", "7 characters beside it", || {
        token(&claims()).header("webhook-signature", |token| format!("Bearer {token}"))
    }),
    ("expired", "token_expired", "exp 1790661846 (2026-09-29T06:04:06Z, 1m 40s before", || {
        spoilt("exp", json!(NOW - 100))
    }),
    ("issued in milliseconds", "token_in_another_unit", "`iat` is 1790661946000: in milliseconds", || {
        spoilt("iat", json!(NOW * 1000))
    }),
    ("an expiry in milliseconds", "token_in_another_unit", "No clock is wrong", || {
        let mut claims = claims();
        claims.remove("iat");
        claims.insert("exp".into(), json!((NOW + 60) * 1000));
        token(&claims)
    }),
    ("issued long ago", "token_expired", "iat 1790661246", || spoilt("iat", json!(NOW - 700))),
    ("issued in the future", "token_not_yet_valid", "iat 1790662646", || spoilt("iat", json!(NOW + 700))),
    ("not valid yet", "token_not_yet_valid", "nbf 1790662046", || spoilt("nbf", json!(NOW + 100))),
    ("untimed", "token_untimed", "neither `iat` nor `exp`", || {
        let mut claims = claims();
        claims.retain(|name, _| name != "iat" && name != "exp");
        token(&claims)
    }),
    ("valid for days", "token_untimed", "no `iat`, and its expiry is: exp 1790834746", || {
        let mut claims = claims();
        claims.remove("iat");
        claims.insert("exp".into(), json!(NOW + 2 * 86_400));
        token(&claims)
    }),
    ("an old header", "delivery_too_old", "the tolerance is 5m", || {
        token(&claims()).header("webhook-timestamp", |_| (NOW - 400).to_string())
    }),
    ("no claims but its own", "token_binds_no_body", "--danger-accept-unbound-body", || token(&registered())),
    ("a changed body", "token_for_another_body", "differ in `type`", || {
        token(&claims()).body(BODY.replace("succeeded", "failed"))
    }),
    ("the hash of another body", "token_for_another_body", "SHA-256", || {
        let mut claims = registered();
        claims.insert("body_sha256".into(), "00".repeat(32).into());
        token(&claims)
    }),
    ("a body in base64", "body_wrapped", "The token is authentic", || token(&claims()).body(STANDARD.encode(BODY))),
];

#[test]
fn each_mistake_is_recognised_first() {
    let mut wrong = Vec::new();
    for (what, code, named, spoilt) in CASES {
        let ran = spoilt().args(["--json"]).run("explain");
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        let found = &ran.json()["findings"];
        let told = [&found[0]["evidence"], &found[0]["advice"]].map(ToString::to_string).concat();
        if found[0]["code"] != *code || !told.contains(named) {
            wrong.push(format!("{what}: expected {code} naming {named}, found {found}"));
        }
        for secret in [SECRET, OTHER_SECRET] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{what}: a secret is shown");
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn what_is_genuine_is_not_explained_away() {
    for authentic in [v1a(NOW, BODY), token(&claims())] {
        let ran = authentic.run("explain");
        assert_eq!((ran.code, ran.stdout.starts_with("verified\n")), (0, true), "{ran:?}");
    }
}

#[test]
fn the_text_says_what_was_given() {
    let ran = spoilt("aud", json!("https://other.example.com/")).run("explain");
    for part in [
        "rejected: token_audience\n",
        "signatures  a token: alg RS256, kid rsa-1, aud https://other.example.com/\n",
        "public keys `key-1` (v1a), `key-2` (v1a), `key-3` (v1a), `rsa-1` (rs256)\n",
        "audience    https://hooks.example.com/gemini\n",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("secrets"), "{ran:?}");
}

#[test]
fn a_large_body_under_public_keys_is_given_up_on_in_time() {
    let ran = v1a(NOW, BODY).body("x\n".repeat(2 << 20)).args(["--json"]).run("explain");
    assert_eq!((ran.code, &ran.json()["gave_up"]), (1, &true.into()));
}

fn signature(spoil: impl Fn(&str) -> String) -> Captured {
    // Some signatures have a character that the two alphabets write differently, and most do.
    let numbered = (0..16).map(|number| v1a(NOW, &format!("{{\"number\":{number}}}")));
    let mut usual = numbered.filter(|delivery| delivery.value("webhook-signature").contains(['+', '/']));
    usual.next().expect("one with both").header("webhook-signature", |text| spoil(text))
}

fn raw(signature: &str) -> Vec<u8> {
    STANDARD.decode(signature.strip_prefix("v1a,").expect("v1a")).expect("base64")
}

fn spoilt(name: &str, value: Value) -> Captured {
    let mut claims = claims();
    claims.insert(name.into(), value);
    token(&claims)
}

fn without(name: &str) -> Captured {
    let mut claims: Map<_, _> = claims();
    claims.remove(name);
    token(&claims)
}

fn named(kid: &str) -> Captured {
    token(&claims()).header("webhook-signature", |_| token_text(kid, &claims()))
}

fn headed(header: &Value) -> Captured {
    token(&claims()).header("webhook-signature", |_| forged(header, &claims()))
}
