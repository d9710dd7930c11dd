//! Tokens: what is asked of them, and what a delivery is known by.

use crate::common::{
    AUDIENCE, BODY, ID, ISSUER, NOW, RSA, beside, builder, payload, reason, registered, rsa_jwk, set, token, token_of,
    token_signer, verifier, verify,
};
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::sign::TokenSigner;
use countersign::verdict::Scheme;
use countersign::{TokenPolicy, Verified};
use http::HeaderValue;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The body that `claims` are for.
const EVENT: &str = r#"{"type":"x"}"#;

fn claims(changes: &[(&str, Value)]) -> String {
    let mut claims: Map<String, Value> = registered();
    claims.insert("type".into(), "x".into());
    for (name, value) in changes {
        if value.is_null() {
            claims.remove(*name);
        } else {
            claims.insert((*name).into(), value.clone());
        }
    }
    Value::from(claims).to_string()
}

fn verified(payload: &str) -> Verified {
    verify(&verifier(), &token(payload), EVENT.as_bytes()).expect("genuine")
}

#[test]
fn the_message_id_is_what_was_signed() {
    let id = |jti: Value| verified(&claims(&[("jti", jti)])).message_id().to_string();
    for good in ["jti-1", "a", "~!@", &"x".repeat(256)] {
        assert_eq!(id(json!(good)), good);
    }
    for bad in ["a.b", "a b", "é", "a\nb", &"x".repeat(257)] {
        assert_eq!(id(json!(bad)), hex(bad.as_bytes()), "{bad:?}");
    }
    for none in [Value::Null, json!("")] {
        let without = token(&claims(&[("jti", none)]));
        let text = without[WEBHOOK_SIGNATURE].to_str().expect("ASCII");
        let (input, _) = text.rsplit_once('.').expect("a token");
        let verified = verify(&verifier(), &without, EVENT.as_bytes()).expect("genuine");
        assert_eq!(verified.message_id().as_str(), hex(input.as_bytes()));
    }
}

#[test]
fn another_id_beside_a_token_is_the_same_delivery() {
    for jti in [json!("jti-1"), json!("a.b"), Value::Null] {
        let mut headers = token(&claims(&[("jti", jti)]));
        let verifier = verifier();
        let one = verify(&verifier, &headers, EVENT.as_bytes()).expect("genuine");
        headers.insert(WEBHOOK_ID, HeaderValue::from_static("msg_another"));
        let other = verify(&verifier, &headers, EVENT.as_bytes()).expect("genuine");
        assert_eq!(one.replay_key(), other.replay_key());
        assert_ne!(one.message_id().as_str(), ID);
    }
}

#[test]
fn a_signed_header_may_ask_for_nothing_else() {
    let payload = payload();
    for (header, expected) in [
        (r#"{"alg":"RS256","kid":"rsa-1"}"#, "verified"),
        (r#"{"alg":"RS256","kid":"rsa-1","x":1,"jku":"https://evil.example.com","jwk":{}}"#, "verified"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":"JWT","b64":true,"cty":"json"}"#, "verified"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":"jwt"}"#, "verified"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":"Application/JWT"}"#, "verified"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":"x"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":""}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":" JWT"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":"at+jwt"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":"text/JWT"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":null}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","typ":["JWT"]}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","b64":false}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","b64":null}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","b64":"true"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","zip":"DEF"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","enc":"A128GCM"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","cty":"JWT"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","cty":"application/jwt"}"#, "token_malformed"),
        (r#"{"alg":"none","alg":"RS256","kid":"rsa-1"}"#, "token_malformed"),
        (r#"{"alg":"RS256","\u0061lg":"RS256","kid":"rsa-1"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","x":1,"x":2}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","x":"\ud800"}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1"} {}"#, "token_malformed"),
        (r#"["RS256","rsa-1"]"#, "token_malformed"),
        (r#"["RS256","rsa-1",null]"#, "token_malformed"),
        (r#""RS256""#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","crit":["b64"],"b64":false}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","crit":[]}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":"rsa-1","crit":null}"#, "token_malformed"),
        (r#"{"alg":"RS256","kid":["rsa-1"]}"#, "token_malformed"),
        (r#"{"alg":"RS256","alg":"RS256","kid":"rsa-1"}"#, "token_malformed"),
        ("[]", "token_malformed"),
        (r#"{"alg":"none","kid":"rsa-1"}"#, "token_algorithm"),
        (r#"{"alg":"","kid":"rsa-1"}"#, "token_algorithm"),
        (r#"{"alg":"rs256","kid":"rsa-1"}"#, "token_algorithm"),
        (r#"{"alg":"HS256","kid":"rsa-1"}"#, "token_algorithm"),
        (r#"{"alg":"RS512","kid":"rsa-1"}"#, "token_algorithm"),
        (r#"{"alg":"PS256","kid":"rsa-1"}"#, "token_algorithm"),
        (r#"{"kid":"rsa-1"}"#, "token_algorithm"),
        (r#"{"alg":"RS256"}"#, "unknown_key"),
        (r#"{"alg":"RS256","kid":""}"#, "unknown_key"),
        (r#"{"alg":"RS256","kid":"RSA-1"}"#, "unknown_key"),
        // An Ed25519 key of the same set.
        (r#"{"alg":"RS256","kid":"key-1"}"#, "unknown_key"),
    ] {
        let headers = beside(&token_of(header, &payload));
        assert_eq!(reason(verify(&verifier(), &headers, BODY.as_bytes())), expected, "{header}");
    }
}

#[test]
fn claims_are_checked_to_the_second() {
    let max = u64::MAX;
    for (changes, expected) in [
        (vec![("exp", json!(NOW - 59))], "verified"),
        (vec![("exp", json!(NOW - 60))], "token_expired"),
        (vec![("exp", json!(-1.5e300))], "token_expired"),
        (vec![("exp", json!(1.5e300))], "verified"),
        (vec![("exp", json!(max))], "verified"),
        (vec![("exp", json!("soon"))], "token_malformed"),
        (vec![("nbf", json!(NOW + 60))], "verified"),
        (vec![("nbf", json!(NOW + 61))], "token_not_yet_valid"),
        (vec![("iat", json!(NOW - 300))], "verified"),
        (vec![("iat", json!(NOW - 301))], "timestamp_too_old"),
        (vec![("iat", json!(NOW + 300))], "verified"),
        (vec![("iat", json!(NOW + 301))], "timestamp_too_new"),
        (vec![("iat", json!(-5))], "timestamp_too_old"),
        (vec![("iat", Value::Null)], "verified"),
        (vec![("iat", Value::Null), ("exp", json!(NOW + 86_400))], "verified"),
        (vec![("iat", Value::Null), ("exp", json!(NOW + 86_401))], "token_untimed"),
        (vec![("iat", Value::Null), ("exp", json!(max))], "token_untimed"),
        (vec![("exp", Value::Null)], "verified"),
        (vec![("iat", Value::Null), ("exp", Value::Null)], "token_untimed"),
        (vec![("iat", Value::Null), ("exp", Value::Null), ("nbf", json!(1))], "token_untimed"),
        (vec![("aud", json!([]))], "token_audience"),
        (vec![("aud", json!(["a", AUDIENCE]))], "verified"),
        (vec![("aud", json!(format!("{AUDIENCE}/")))], "token_audience"),
        (vec![("aud", Value::Null)], "token_audience"),
        (vec![("aud", json!({ "a": AUDIENCE }))], "token_malformed"),
        (vec![("aud", json!([[AUDIENCE]]))], "token_malformed"),
        (vec![("aud", json!([AUDIENCE, null]))], "token_malformed"),
        (vec![("aud", json!(["a", "b"]))], "token_audience"),
        (vec![("iss", json!(["a"]))], "token_malformed"),
        (vec![("jti", json!(7))], "token_malformed"),
        (vec![("iat", json!(NOW.to_string()))], "token_malformed"),
        (vec![("iat", json!(true))], "token_malformed"),
        (vec![("iat", json!([NOW]))], "token_malformed"),
        (vec![("nbf", json!({}))], "token_malformed"),
        (vec![("other", json!(1))], "body_not_bound"),
    ] {
        let found = verify(&verifier(), &token(&claims(&changes)), EVENT.as_bytes());
        assert_eq!(reason(found), expected, "{changes:?}");
    }
}

#[test]
fn claims_are_an_object_with_each_name_once() {
    let good = claims(&[]);
    let with = |more: &str| format!("{},{more}}}", good.strip_suffix('}').expect("an object"));
    let positional = format!(r#"["{ISSUER}","{AUDIENCE}",{},null,{NOW},"jti-1"]"#, NOW + 300);
    for payload in [
        positional.as_str(),
        "[]",
        "null",
        "1",
        "",
        &format!("\u{feff}{good}"),
        &format!("{good}{good}"),
        &with(r#""iat":1"#),
        &with(r#""\u0061ud":"x""#),
        &with(r#""exp":null"#),
        &with(r#""type":"x""#),
        &with(r#""t":1e5,"t":1e5"#),
        &good.replace("jti-1", "\\ud800"),
        &good.replace(&NOW.to_string(), "1e400"),
        &good.replace(&NOW.to_string(), "NaN"),
        &good.replace(&NOW.to_string(), &format!("0{NOW}")),
    ] {
        let found = verify(&verifier(), &token(payload), EVENT.as_bytes());
        assert_eq!(reason(found), "token_malformed", "{payload}");
    }
    let fraction = good.replace(&NOW.to_string(), &format!("{NOW}.5"));
    assert_eq!(reason(verify(&verifier(), &token(&fraction), EVENT.as_bytes())), "verified");
}

#[test]
fn a_type_may_be_configured() {
    let policy = TokenPolicy::new([AUDIENCE]).typ(["webhook+jwt", "x"]);
    let verifier = builder().token(policy).build().expect("a verifier");
    for (typ, expected) in [
        ("webhook+jwt", "verified"),
        ("WEBHOOK+JWT", "verified"),
        ("application/webhook+jwt", "verified"),
        ("X", "verified"),
        ("JWT", "verified"),
        ("y", "token_malformed"),
        ("x/webhook+jwt", "token_malformed"),
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"rsa-1","typ":"{typ}"}}"#);
        let headers = beside(&token_of(&header, &payload()));
        assert_eq!(reason(verify(&verifier, &headers, BODY.as_bytes())), expected, "{typ}");
    }
}

#[test]
fn a_token_is_written_in_one_way() {
    let text = token(&claims(&[]))[WEBHOOK_SIGNATURE].to_str().expect("ASCII").to_owned();
    let parts: Vec<_> = text.split('.').collect();
    for changed in [
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}==", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}\t", parts[0], parts[1], parts[2]),
    ] {
        let found = verify(&verifier(), &beside(&changed), EVENT.as_bytes());
        assert!(["token_malformed", "signature_mismatch"].contains(&reason(found)), "{changed}");
    }
}

#[test]
fn claims_about_the_token_alone_bind_no_body() {
    let registered = Value::from(registered()).to_string();
    for body in ["{}", " { } ", "", "null", "[]", &registered] {
        assert_eq!(reason(verify(&verifier(), &token(&registered), body.as_bytes())), "body_not_bound", "{body}");
    }
    // An empty member is an event.
    assert_eq!(reason(verify(&verifier(), &token(&claims(&[("type", json!(""))])), br#"{"type":""}"#)), "verified");
}

#[test]
fn a_body_that_only_another_reader_takes_for_the_claims_is_not_bound() {
    let raw = "$serde_json::private::RawValue";
    let claims = claims(&[("data", json!({ "id": 1 }))]);
    let body = format!(r#"{{"type":"x","data":{{"{raw}":"{{\"id\":1}}"}}}}"#);
    assert_eq!(reason(verify(&verifier(), &token(&claims), body.as_bytes())), "body_not_bound");
    let same = r#"{"data":{"id":1},"type":"x"}"#;
    assert_eq!(reason(verify(&verifier(), &token(&claims), same.as_bytes())), "verified");
    // Deep enough to end a process whose reader has lost its limit.
    let deep = format!(r#"{{"type":"x","data":{}"#, format!(r#"{{"{raw}":"#).repeat(20_000));
    assert_eq!(reason(verify(&verifier(), &token(&claims), deep.as_bytes())), "body_not_bound");
}

#[test]
fn an_issuer_is_asked_for_where_one_is_named() {
    let policy = TokenPolicy::new([AUDIENCE]).issuer(["https://a.example.com", ISSUER]);
    let verifier = builder().token(policy).build().expect("a verifier");
    for (issuer, expected) in
        [(json!(ISSUER), "verified"), (json!("https://b.example.com"), "token_issuer"), (Value::Null, "token_issuer")]
    {
        let found = verify(&verifier, &token(&claims(&[("iss", issuer.clone())])), EVENT.as_bytes());
        assert_eq!(reason(found), expected, "{issuer}");
    }
}

#[test]
fn a_body_is_bound_by_its_hash_in_three_spellings() {
    let hash = Sha256::digest(b"\xff not JSON");
    let base64url = {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash)
    };
    let hex = hex(b"\xff not JSON");
    for name in ["body_sha256", "request_body_sha256"] {
        for text in [hex.clone(), hex.to_uppercase(), base64url.clone(), format!("{base64url}=")] {
            let headers = token(&claims(&[(name, json!(text))]));
            assert_eq!(reason(verify(&verifier(), &headers, b"\xff not JSON")), "verified", "{name} {text}");
            assert_eq!(reason(verify(&verifier(), &headers, b"\xff not JSON ")), "body_not_bound", "{name} {text}");
        }
    }
    for (name, text) in [("body_sha256", hex[..63].to_owned()), ("body_sha256", String::new()), ("sha256", hex)] {
        let headers = token(&claims(&[(name, json!(text))]));
        assert_eq!(reason(verify(&verifier(), &headers, b"\xff not JSON")), "body_not_bound", "{name} {text}");
    }
}

#[test]
fn a_hash_in_the_claims_decides_alone() {
    let (hash, other) = (hex(b"body"), hex(b"another body"));
    let lax = builder().token(TokenPolicy::new([AUDIENCE]).danger_accept_unbound_bodies()).build().expect("a verifier");
    for (first, second, expected) in [
        (json!(hash), json!(hash), "verified"),
        (json!(hash), json!(other), "body_not_bound"),
        (json!(other), json!(hash), "body_not_bound"),
        (json!(hash), json!(5), "body_not_bound"),
        (json!([hash]), json!(hash), "body_not_bound"),
    ] {
        let headers = token(&claims(&[("body_sha256", first.clone()), ("request_body_sha256", second.clone())]));
        for verifier in [&verifier(), &lax] {
            assert_eq!(reason(verify(verifier, &headers, b"body")), expected, "{first} {second}");
        }
    }
    // A body that repeats the claims is not the one that was hashed.
    for claim in [json!(hash), json!(""), json!(7)] {
        let headers = token(&claims(&[("type", json!("batch.succeeded")), ("body_sha256", claim.clone())]));
        let body = json!({ "type": "batch.succeeded", "body_sha256": claim }).to_string();
        assert_eq!(reason(verify(&verifier(), &headers, body.as_bytes())), "body_not_bound", "{body}");
    }
}

#[test]
fn a_token_that_does_not_say_when_it_was_issued_counts_from_its_arrival() {
    let payload = claims(&[("iat", Value::Null), ("exp", json!(NOW + 60)), ("type", json!("x"))]);
    for told in [NOW - 250, NOW + 250] {
        let mut headers = token(&payload);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(told));
        let found = verify(&verifier(), &headers, br#"{"type":"x"}"#).expect("authentic");
        assert_eq!(found.timestamp(), countersign::UnixTime::from_secs(NOW));
    }
}

#[test]
fn a_long_payload_is_no_token() {
    let with = |len: usize| {
        let body = json!({ "type": "x".repeat(len) }).to_string();
        (token(&claims(&[("type", json!("x".repeat(len)))])), body)
    };
    let (headers, body) = with(16_000);
    assert_eq!(reason(verify(&verifier(), &headers, body.as_bytes())), "verified");
    let (headers, body) = with(16_400);
    assert_eq!(reason(verify(&verifier(), &headers, body.as_bytes())), "token_malformed");
}

#[test]
fn an_unbound_body_passes_only_where_that_is_asked_for_by_name() {
    let headers = token(&Value::from(registered()).to_string());
    assert_eq!(reason(verify(&verifier(), &headers, b"anything")), "body_not_bound");
    let policy = TokenPolicy::new([AUDIENCE]).danger_accept_unbound_bodies();
    let lax = builder().token(policy).build().expect("a verifier");
    let found = verify(&lax, &headers, b"anything").expect("accepted");
    assert_eq!((found.scheme(), &found.body()[..]), (Scheme::Rs256, &b"anything"[..]));
}

#[test]
fn of_two_keys_with_one_name_either_will_do() {
    let mut other = rsa_jwk("rsa-1");
    // 3 where the key's own exponent is 65537: a sound key, and another one.
    other["e"] = json!("Aw");
    for keys in [[other.clone(), rsa_jwk("rsa-1")], [rsa_jwk("rsa-1"), other.clone()]] {
        let verifier = builder().key_set(set(&keys)).build().expect("a verifier");
        assert_eq!(reason(verify(&verifier, &token(&payload()), BODY.as_bytes())), "verified");
    }
}

#[test]
fn a_token_signer_makes_what_verifies_and_takes_no_odd_key() {
    let claims: Map<String, Value> = serde_json::from_str(&claims(&[])).expect("an object");
    let token = token_signer().sign(&claims).expect("a token");
    let found = verify(&verifier(), &beside(token.to_str().expect("ASCII")), EVENT.as_bytes()).expect("genuine");
    assert_eq!(
        (found.scheme(), found.key_label(), found.timestamp()),
        (Scheme::Rs256, "rsa-1", countersign::UnixTime::from_secs(NOW))
    );
    for odd in [vec![], b"-----BEGIN RSA PRIVATE KEY-----".to_vec(), RSA[..RSA.len() - 1].to_vec()] {
        assert!(TokenSigner::new("rsa-1", &odd.into()).is_err());
    }
}

/// The SHA-256 hash, in hex.
fn hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
