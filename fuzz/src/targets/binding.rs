//! Whether a token binds a body: the core against an independent judge.
//!
//! The payload ends at the first byte 0xff, which no JSON contains.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::judge::{Json, Unique};

const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
const HASHES: [&str; 2] = ["body_sha256", "request_body_sha256"];

/// The core and the judge agree.
pub(crate) fn run(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == 0xff).unwrap_or(bytes.len());
    let (payload, body) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let judged = binds(payload, body) == Some(true);
    assert_eq!(countersign::fuzzing::binds(payload, body), judged, "the judge differs");
}

/// Whether the claims say what the body says, or name its hash.
pub(crate) fn binds(payload: &[u8], body: &[u8]) -> Option<bool> {
    let claims = Json::parse(payload)?.members()?;
    let named = |name: &str| claims.iter().filter(|(other, _)| other == name).collect::<Vec<_>>();
    if claims.iter().any(|(name, _)| named(name).len() > 1) {
        return None;
    }
    let hashes: Vec<_> = HASHES.iter().flat_map(|name| named(name)).collect();
    if !hashes.is_empty() {
        let hash = digest(&SHA256, body);
        let hex = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let base64 = URL_SAFE_NO_PAD.encode(hash);
        return Some(hashes.iter().all(|(_, value)| match value {
            Json::Text(text) => text.eq_ignore_ascii_case(&hex) || text.trim_end_matches('=') == base64,
            _ => false,
        }));
    }
    let event = claims.into_iter().filter(|(name, _)| !REGISTERED.contains(&name.as_str())).collect();
    let event = Json::Object(event).unique()?;
    Some(event != Unique::Object([].into()) && event == Json::parse(body)?.unique()?)
}

/// Payloads with their bodies.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let hash = digest(&SHA256, b"{}");
    let pairs = [
        (r#"{"iss":"i","type":"a","n":[1,2.50,-0,1e400]}"#.to_owned(), r#"{ "n":[1,2.50,-0,1e400], "type":"\u0061" }"#),
        (format!(r#"{{"body_sha256":"{}"}}"#, URL_SAFE_NO_PAD.encode(hash)), "{}"),
        (format!(r#"{{"request_body_sha256":"{}=","a":1}}"#, URL_SAFE_NO_PAD.encode(hash)), "{}"),
        (r#"{"a":{"b":1,"b":1}}"#.to_owned(), r#"{"a":{"b":1,"b":1}}"#),
        (r#"{"a":"\ud83d\ude00\n\"\\"}"#.to_owned(), "{\"a\":\"😀\\n\\\"\\\\\"}"),
        (r#"{"a":null,"b":true,"c":false,"d":[],"e":{}}"#.to_owned(), r#"{"a":null,"b":true,"c":false,"d":[],"e":{}}"#),
        ("{}".to_owned(), "{}"),
    ];
    pairs.map(|(payload, body)| [payload.as_bytes(), b"\xff", body.as_bytes()].concat()).into()
}
