//! Documents that are given in place of a key set.

use crate::json::{self, Node, Value};
use crate::shown::shown;

/// How much of a text is searched for the beginning of a PEM block.
const SEEN: usize = 4096;

/// What a document is that is not a key set, and what to use instead.
pub fn named(document: &[u8]) -> Option<String> {
    if let Some(encoding) = encoding(document) {
        return Some(encoding.into());
    }
    let text = str::from_utf8(document).ok().map(str::trim);
    let Some(text) = text else { return Some("it is not text: a key set is a JSON document".into()) };
    if let Some(named) = text_other_than_json(text) {
        return Some(named.into());
    }
    if let Some(node) = json::parse(text) {
        return Some(json_other_than_a_set(&node));
    }
    if let Some(node) = json::parse_literal(text).filter(|node| node.members().is_some() || node.items().is_some()) {
        let what = json_other_than_a_set(&node);
        let is_set = node.get("keys").is_some_and(|keys| keys.items().is_some());
        let rest = if is_set { String::new() } else { format!("; {what}") };
        return Some(format!(
            "it is an object as a programming language prints it: write it as JSON (`json.dumps`, `JSON.stringify`){rest}"
        ));
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    Some(if error.is_eof() {
        format!("its JSON ends too early: it was cut off, or is only a part ({error})")
    } else if text.lines().any(|line| line.trim_start().starts_with("keys:")) {
        "it is YAML: a key set is JSON, `{\"keys\": […]}`".into()
    } else {
        format!("it is not JSON: {error}")
    })
}

fn encoding(document: &[u8]) -> Option<&'static str> {
    const UTF16: &str = "it begins with UTF-16: save it as UTF-8 without a byte order mark (in PowerShell 5, `Set-Content -Encoding Ascii` \
                         instead of `>`)";
    match document {
        [0xef, 0xbb, 0xbf, ..] => {
            Some("it begins with a byte order mark: save it as UTF-8 without one, which JSON does not allow")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, ..] | [0, _, 0, _, ..] => Some(UTF16),
        [0x1f, 0x8b, ..] => Some("it begins with the mark of gzip: decompress it (`gunzip -c`)"),
        // A sequence of DER.
        [0x30, 0x80..=0x84, ..] => {
            Some("it is binary (DER), a certificate or a key: give the sender's key set, a JSON document with `keys`")
        }
        [0xfe, 0xed, 0xfe, 0xed, ..] => {
            Some("it is a Java key store: give the sender's key set, a JSON document with `keys`")
        }
        _ => None,
    }
}

/// Texts that are known by their beginning, or by a block of PEM.
fn text_other_than_json(text: &str) -> Option<&'static str> {
    const PAGE: &str = "it is an HTML page, for example a sign-in or an error page: the URL is not that of the key set, or needs a \
                        login";
    const PRIVATE: &str =
        "it is a private key, which only the sender may have: ask it for the public key set, and to rotate the key";
    const SSH: &str = "it is a public key of SSH: give the sender's key set, a JSON document with `keys`";
    const BEGINNINGS: [(&str, &str); 17] = [
        ("<!doctype html", PAGE),
        ("<html", PAGE),
        ("<head", PAGE),
        ("<body", PAGE),
        ("<?xml", "it is XML: SAML metadata and the like have certificates, not a key set"),
        ("<md:entit", "it is SAML metadata, which has certificates, not a key set"),
        ("<entit", "it is SAML metadata, which has certificates, not a key set"),
        ("<error", "it is an error in XML that the server has sent: the URL is not that of the key set"),
        ("ssh-", SSH),
        ("ecdsa-sha2-", SSH),
        ("whpk_", "it is one public key: give it as --public-key"),
        ("whsec_", "it is a secret: give it as --secret-file, and keep it to yourself"),
        ("whsk_", PRIVATE),
        ("eyj", "it is a token, or other base64 of JSON: give the sender's key set, a JSON document with `keys`"),
        ("http://", "it is a URL: give the URL itself in place of the file"),
        ("https://", "it is a URL: give the URL itself in place of the file"),
        ("http/", "it is a whole HTTP response: give only its body"),
    ];
    const BLOCKS: [(&str, &str); 6] = [
        ("private key", PRIVATE),
        (
            "certificate request",
            "it is a request for a certificate (PEM): give the sender's key set, a JSON document with `keys`",
        ),
        ("certificate", "it is a certificate (PEM): give the sender's key set, a JSON document with `keys`"),
        ("ssh2 public key", SSH),
        (
            "public key",
            "it is a public key (PEM): give the sender's key set, a JSON document with `keys`, or an Ed25519 key as --public-key whpk_…",
        ),
        ("pgp", "it is a PGP key: give the sender's key set, a JSON document with `keys`"),
    ];
    if text.is_empty() {
        return Some("it is empty");
    }
    let start = text.chars().take(SEEN).collect::<String>().to_lowercase();
    // A block of PEM may have attributes above it. In JSON, it is a member.
    let is_json = start.starts_with(['{', '[', '"']);
    let block = start.find("-----begin ").or_else(|| start.find("---- begin ")).filter(|_| !is_json);
    let label = block.and_then(|at| start[at..].lines().next());
    let of_block = label.and_then(|label| BLOCKS.iter().find(|(kind, _)| label.contains(kind)));
    of_block.or_else(|| BEGINNINGS.iter().find(|(beginning, _)| start.starts_with(beginning))).map(|(_, named)| *named)
}

fn json_other_than_a_set(node: &Node) -> String {
    let members = match &node.value {
        Value::Object(members) => members,
        Value::Array(items) if items.iter().any(is_key) => {
            return "it is a list of keys without a set: put it into {\"keys\": […]}".into();
        }
        Value::Array(items)
            if items.iter().any(|item| item.text().is_some_and(|text| text.contains("-----BEGIN "))) =>
        {
            return "it is a list of certificates or keys in PEM: give the sender's key set, a JSON document with `keys`".into();
        }
        Value::Text(text) if text.contains("-----BEGIN ") => {
            return "it is a certificate or a key in PEM, as a JSON string: give the sender's key set, a JSON document with `keys`"
                .into();
        }
        Value::Text(_) => return "it is a JSON string: the key set was encoded twice".into(),
        _ => return "a key set is a JSON object with an array of `keys`".into(),
    };
    let text = |name: &str| node.get(name).and_then(Node::text).map(shown);
    let is_certificate = |node: &Node| node.text().is_some_and(|text| text.contains("-----BEGIN "));
    if let Some(uri) = text("jwks_uri") {
        format!("it is a discovery document (OpenID or OAuth): the key set is at its `jwks_uri`, {uri}")
    } else if ["issuer", "authorization_endpoint", "token_endpoint"].iter().any(|name| node.get(name).is_some()) {
        "it is a discovery document (OpenID or OAuth) without `jwks_uri`: its server publishes no key set there".into()
    } else if text("private_key").is_some() || text("client_email").is_some() {
        "it is a key file of a service account, with a private key: keep it to yourself, and give the sender's key set"
            .into()
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
    } else if ["public_key", "publicKey", "certificate", "pem", "x5c"].iter().any(|name| node.get(name).is_some()) {
        "it describes one key or certificate: give the sender's key set, a JSON document with `keys`".into()
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
            (" \n", "empty"),
            ("Bag Attributes\n  friendlyName: a\n-----BEGIN CERTIFICATE-----\nMII", "certificate (PEM)"),
            ("-----BEGIN PUBLIC KEY-----\nMII", "public key (PEM)"),
            ("-----BEGIN EC PRIVATE KEY-----\nMII", "private key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII", "private key"),
            ("ssh-ed25519 AAAA a@b", "SSH"),
            ("ecdsa-sha2-nistp256 AAAA", "SSH"),
            ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA", "SSH"),
            (r#"{"issuer":"a","authorization_endpoint":"b"}"#, "without `jwks_uri`"),
            (r#"{"type":"service_account","private_key":"-----BEGIN"}"#, "service account"),
            (r#"["-----BEGIN CERTIFICATE-----\nMII"]"#, "in PEM"),
            (r#"{"public_key":"abc"}"#, "one key or certificate"),
            ("{'keys': [{'kty': 'OKP'}]}", "JSON.stringify"),
            ("keys:\n  - kty: OKP\n", "YAML"),
            ("HTTP/1.1 200 OK\r\n\r\n{}", "HTTP response"),
            ("[]", "array of `keys`"),
        ] {
            let found = named(document.as_bytes());
            assert!(found.as_ref().is_some_and(|found| found.contains(expected)), "{document}: {found:?}");
        }
        assert!(named(b"\x30\x82\x01\x0a").is_some_and(|found| found.contains("DER")));
        assert!(named(b"\xff\xfe{\0").is_some_and(|found| found.contains("UTF-16")));
    }
}
