//! Documents that are given in place of a key set.

use crate::json::{self, Node, Value};
use crate::shown::shown;

/// What a document is that is not a key set, and what to use instead.
pub fn named(document: &[u8]) -> Option<String> {
    if let Some(encoding) = encoding(document) {
        return Some(format!(
            "it begins with {encoding}: save it as UTF-8 without a byte order mark, which JSON does not allow"
        ));
    }
    let text = str::from_utf8(document).ok()?.trim();
    if let Some(named) = text_other_than_json(text) {
        return Some(named.into());
    }
    if let Some(node) = json::parse(text) {
        return Some(json_other_than_a_set(&node));
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    Some(if error.is_eof() {
        format!("its JSON ends too early: it was cut off, or is only a part ({error})")
    } else {
        format!("it is not JSON: {error}")
    })
}

fn encoding(document: &[u8]) -> Option<&'static str> {
    match document {
        [0xef, 0xbb, 0xbf, ..] => Some("a byte order mark"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, ..] => Some("UTF-16"),
        [0x1f, 0x8b, ..] => Some("the mark of gzip"),
        _ => None,
    }
}

/// Texts that begin in a way of their own.
fn text_other_than_json(text: &str) -> Option<&'static str> {
    const BEGINNINGS: [(&str, &str); 16] = [
        ("<!doctype html", PAGE),
        ("<html", PAGE),
        ("<?xml", "it is XML: SAML metadata and the like have certificates, not a key set"),
        ("-----begin certificate", "it is a certificate (PEM): give the sender's key set, a JSON document with `keys`"),
        (
            "-----begin public key",
            "it is a public key (PEM): give the sender's key set, or an Ed25519 key as --public-key whpk_…",
        ),
        (
            "-----begin rsa public key",
            "it is a public key (PEM): give the sender's key set, a JSON document with `keys`",
        ),
        ("-----begin private key", PRIVATE),
        ("-----begin rsa private key", PRIVATE),
        ("-----begin ec private key", PRIVATE),
        ("-----begin openssh private key", PRIVATE),
        ("ssh-", "it is a public key of SSH: give the sender's key set, a JSON document with `keys`"),
        ("whpk_", "it is one public key: give it as --public-key"),
        ("whsec_", "it is a secret: give it as --secret-file, and keep it to yourself"),
        ("whsk_", PRIVATE),
        ("eyj", "it is a token, or other base64 of JSON: give the sender's key set, a JSON document with `keys`"),
        ("http", "it is a URL: give the URL itself in place of the file"),
    ];
    const PAGE: &str = "it is an HTML page, for example a sign-in or an error page: the URL is not that of the key set, or needs a \
                        login";
    const PRIVATE: &str =
        "it is a private key, which only the sender may have: ask it for the public key set, and to rotate the key";
    if text.is_empty() {
        return Some("it is empty");
    }
    let start = text.chars().take(40).collect::<String>().to_lowercase();
    BEGINNINGS.iter().find(|(beginning, _)| start.starts_with(beginning)).map(|(_, named)| *named)
}

fn json_other_than_a_set(node: &Node) -> String {
    let members = match &node.value {
        Value::Object(members) => members,
        Value::Array(items) if items.iter().any(is_key) => {
            return "it is a list of keys without a set: put it into {\"keys\": […]}".into();
        }
        Value::Text(_) => return "it is a JSON string: the key set was encoded twice".into(),
        _ => return "a key set is a JSON object with an array of `keys`".into(),
    };
    let text = |name: &str| node.get(name).and_then(Node::text).map(shown);
    let is_certificate = |node: &Node| node.text().is_some_and(|text| text.contains("-----BEGIN "));
    if let Some(uri) = text("jwks_uri") {
        format!("it is a discovery document (OpenID): the key set is at its `jwks_uri`, {uri}")
    } else if is_key(node) {
        "it is a single key: put it into {\"keys\": […]}, or give the URL of the whole set".into()
    } else if !members.is_empty() && members.iter().all(|member| is_certificate(&member.value)) {
        "it has certificates by key id: give the address of the same keys as a JWKS, for Google's \
         https://www.googleapis.com/oauth2/v3/certs instead of /oauth2/v1/certs, and `/jwk/` instead of `/x509/`"
            .into()
    } else if let Some(keys) = node.get("keys") {
        match &keys.value {
            Value::Object(_) => {
                "its `keys` is an object by key id: it must be an array of keys that have a `kid` each".into()
            }
            _ => "its `keys` is not an array, or is there twice".into(),
        }
    } else if let Some(inner) = members.iter().find(|member| member.value.get("keys").is_some()) {
        format!("the key set is inside its member `{}`: give that alone", shown(&inner.name))
    } else if !members.is_empty() && members.iter().all(|member| is_key(&member.value)) {
        "it is an object of keys by key id: put the keys into {\"keys\": […]}".into()
    } else if let Some(near) =
        members.iter().find(|member| ["key", "jwks"].contains(&member.name.to_lowercase().as_str()))
    {
        format!("it has `{}`, but the array must be called `keys`", shown(&near.name))
    } else if let Some(error) = ["error", "message", "detail", "title"].iter().find_map(|name| text(name)) {
        format!("it is an error that the server has sent: {error}")
    } else {
        "a key set is a JSON object with an array of `keys`, and this object has none".into()
    }
}

fn is_key(node: &Node) -> bool {
    node.get("kty").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_is_told_apart() {
        for (document, expected) in [
            (r#"{"91fc":"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"}"#, "certificates by key id"),
            (r#"{"issuer":"a","jwks_uri":"https://a.example/jwks"}"#, "https://a.example/jwks"),
            (r#"{"kty":"OKP"}"#, "single key"),
            (r#"[{"kty":"OKP"}]"#, "list of keys"),
            (r#"{"jwks":{"keys":[]}}"#, "inside its member `jwks`"),
            (r#"{"keys":{"a":{}}}"#, "object by key id"),
            (r#"{"Jwks":[]}"#, "must be called `keys`"),
            (r#"{"error":"not found"}"#, "not found"),
            (r#""{\"keys\":[]}""#, "encoded twice"),
            ("{\"keys\": [", "ends too early"),
            ("\u{feff}{\"keys\":[]}", "byte order mark"),
            ("<!DOCTYPE html><title>Sign in</title>", "HTML page"),
            ("-----BEGIN CERTIFICATE-----", "certificate (PEM)"),
            ("whsec_AAAA", "secret"),
            ("", "empty"),
            ("[]", "array of `keys`"),
        ] {
            let found = named(document.as_bytes());
            assert!(found.as_ref().is_some_and(|found| found.contains(expected)), "{document}: {found:?}");
        }
        assert!(named(b"\xff\xfe{\0").is_some_and(|found| found.contains("UTF-16")));
    }
}
