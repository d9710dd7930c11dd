//! Key sets: what is usable, against what `serde_json` reads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::{KeySet, Verifier};
use serde_json::{Value, json};

use crate::judge::Json;
use crate::keys::jwks;
use crate::texts;

const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A document is a key set exactly if it is a JSON object with one list `keys` of at most 64, and every key that is
/// used is public, for signatures, and one that the schemes know.
pub(crate) fn run(bytes: &[u8]) {
    let members = Json::parse(bytes).and_then(Json::members).unwrap_or_default();
    let keys = match &members.iter().filter(|(name, _)| name == "keys").collect::<Vec<_>>()[..] {
        [(_, Json::List(keys))] if bytes.len() <= KeySet::MAX_DOCUMENT && keys.len() <= KeySet::MAX_KEYS => {
            Some(keys.len())
        }
        _ => None,
    };
    let set = KeySet::parse(bytes);
    assert_eq!(set.is_ok(), keys.is_some(), "{:?}", set.err());
    let (Ok(set), Some(keys)) = (set, keys) else { return };
    assert!(set.len() + set.skipped().len() <= keys, "{set:?}");
    assert_eq!(set.labels().count(), set.len());
    // A number that is too large for it may stand anywhere.
    if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
        let usable = document["keys"].as_array().into_iter().flatten().filter(|key| may_be_used(key)).count();
        assert!(set.len() <= usable, "{set:?} of {usable}");
    }
    let verifier = Verifier::builder("fuzz").key_set(set).build().expect("a verifier");
    assert!(format!("{verifier:?}").len() < 64 * 1024);
}

fn may_be_used(key: &Value) -> bool {
    let is = |name: &str, value: &str| key.get(name).is_none_or(|found| found.is_null() || found == value);
    let long_enough = |name: &str, bytes: usize| {
        key[name]
            .as_str()
            .and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
            .is_some_and(|value| value.len() >= bytes)
    };
    let is_public = PRIVATE.iter().all(|name| key.get(*name).is_none());
    let is_ed25519 = key["kty"] == "OKP" && key["crv"] == "Ed25519" && long_enough("x", 32);
    let is_rsa = key["kty"] == "RSA" && key["kid"].is_string() && is("alg", "RS256") && long_enough("n", 256);
    is_public && is("use", "sig") && (is_ed25519 || is_rsa)
}

/// Key sets, and keys that must not be used.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let good = jwks();
    let mut all = vec![good.clone(), json!({ "keys": [] })];
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign"])),
        ("alg", json!("EdDSA")),
        ("alg", json!("RS512")),
        ("d", json!("AAAA")),
        ("crv", json!("X25519")),
        ("kty", json!("oct")),
        ("kid", Value::Null),
        ("x", json!("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("n", json!("AQAB")),
        ("e", json!("Ag")),
        ("x5c", json!(["AA=="])),
    ] {
        let mut other = good.clone();
        for key in other["keys"].as_array_mut().into_iter().flatten() {
            key[name] = value.clone();
        }
        all.push(other);
    }
    let mut seeds: Vec<_> = all.into_iter().map(|document| document.to_string().into_bytes()).collect();
    seeds.extend(texts([r#"{"keys":[],"keys":[]}"#, r#"{"keys":{}}"#, "[]", r#"{"keys":[1,null,{"kty":1}]}"#]));
    seeds
}
