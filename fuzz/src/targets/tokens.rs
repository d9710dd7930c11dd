//! Tokens in the signature header.
//!
//! If the first byte is `0`, the rest is the header's value. If it is `1`, the rest is the header of a token, its claims
//! and the body, divided by the byte 0xff: the token is signed with the verifier's key.

use std::sync::LazyLock;

use bytes::Bytes;
use countersign::{TokenPolicy, UnixTime, Verified, Verifier};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::binding;
use crate::judge::Json;
use crate::keys::{AUDIENCE, KID, NOW, key_set, token};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let builder = Verifier::builder("fuzz").key_set(key_set()).token(TokenPolicy::new([AUDIENCE]));
    builder.build().expect("a verifier")
});

/// A token that is accepted was signed with the key, is meant for this receiver and the present time, and binds the
/// body.
pub(crate) fn run(bytes: &[u8]) {
    match bytes.split_first() {
        Some((b'0', text)) => {
            assert!(verify(text, b"{}").is_none(), "nobody has signed this");
        }
        Some((b'1', rest)) => {
            let mut parts = rest.splitn(3, |byte| *byte == 0xff);
            let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let body = parts.next().unwrap_or_default();
            if let Some(verified) = verify(token(header, claims).as_bytes(), body) {
                check(&verified, header, claims, body);
            }
        }
        _ => {}
    }
}

fn verify(text: &[u8], body: &[u8]) -> Option<Verified> {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    headers.insert("webhook-timestamp", HeaderValue::from(NOW));
    headers.insert("webhook-signature", HeaderValue::from_bytes(text).ok()?);
    let attempt = VERIFIER.begin(&headers, UnixTime::from_secs(NOW)).ok()?;
    attempt.finish(Bytes::copy_from_slice(body)).ok()
}

fn check(verified: &Verified, header: &[u8], claims: &[u8], body: &[u8]) {
    assert_eq!(binding::binds(claims, body), Some(true), "the body is not bound");
    let object = |bytes| {
        Json::parse(bytes)
            .and_then(Json::members)
            .map(Json::Object)
            .and_then(Json::unique)
            .expect("without repetitions");
        serde_json::from_slice::<Value>(bytes).expect("JSON")
    };
    let header = object(header);
    assert_eq!((&header["alg"], &header["kid"]), (&"RS256".into(), &KID.into()));
    assert!(["crit", "zip", "enc"].iter().all(|name| header.get(name).is_none()), "{header}");
    // A number that is too large for it makes the whole text unreadable.
    let Ok(claims) = serde_json::from_slice::<Value>(claims) else { return };
    let is_ours = |audience: &Value| audience == AUDIENCE;
    let audience = &claims["aud"];
    assert!(is_ours(audience) || audience.as_array().is_some_and(|all| all.iter().any(is_ours)), "{claims}");
    let now = 1_790_661_946_f64;
    let time = |name: &str| claims[name].as_f64();
    assert!(time("iat").is_some() || time("exp").is_some_and(|exp| exp <= now + 86_401.0), "{claims}");
    assert!(time("iat").is_none_or(|iat| (iat - now).abs() <= 301.0), "{claims}");
    assert!(time("exp").is_none_or(|exp| exp > now - 61.0), "{claims}");
    assert!(time("nbf").is_none_or(|nbf| nbf < now + 62.0), "{claims}");
    let id = verified.message_id().as_str();
    let is_hash = || id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(claims["jti"] == id || is_hash(), "{id} of {claims}");
}

/// Tokens, whole and in parts.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let header = r#"{"alg":"RS256","kid":"rsa-1","typ":"JWT"}"#;
    let claims = format!(r#"{{"iss":"i","aud":"{AUDIENCE}","iat":{NOW},"exp":{},"jti":"j","type":"a"}}"#, NOW + 60);
    let body = r#"{"type":"a"}"#;
    let signed = |header: &str, claims: &str, body: &str| {
        [b"1", header.as_bytes(), b"\xff", claims.as_bytes(), b"\xff", body.as_bytes()].concat()
    };
    let mut seeds = vec![
        signed(header, &claims, body),
        signed(header, &claims.replace(&format!("\"{AUDIENCE}\""), &format!("[\"x\",\"{AUDIENCE}\"]")), body),
        signed(header, &claims.replace("\"iat\"", "\"nbf\""), body),
        signed(header, &claims.replace("\"jti\":\"j\"", "\"jti\":\"a b\""), body),
        signed(header, &claims, r#"{"type":"b"}"#),
        [b"0", token(header.as_bytes(), b"{}").as_bytes()].concat(),
        b"0a.b.c".to_vec(),
    ];
    for (from, to) in [
        ("RS256", "none"),
        ("RS256", "HS256"),
        ("rsa-1", "x"),
        ("\"JWT\"", "1"),
        ("{", "{\"crit\":[],"),
        ("{", "{\"b64\":false,"),
    ] {
        seeds.push(signed(&header.replacen(from, to, 1), &claims, body));
    }
    seeds
}
