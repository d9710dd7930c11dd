//! The specification as cases: every `*.json` of the folder that `COUNTERSIGN_VECTORS` names, else of
//! the project's own copy, through the public API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::{KeySet, PublicKey, Rejection, Secret, TokenPolicy, UnixTime, Verified, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    now: u64,
    verifier: VerifierCase,
    request: Request,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifierCase {
    #[serde(default)]
    secrets: Vec<SecretCase>,
    #[serde(default)]
    public_keys: Vec<String>,
    jwks: Option<serde_json::Value>,
    token: Option<TokenCase>,
    tolerance_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretCase {
    secret: String,
    expires_at: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenCase {
    #[serde(default)]
    audience: Vec<String>,
    #[serde(default)]
    issuer: Vec<String>,
    body_binding: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    headers: Vec<(String, String)>,
    body_base64: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
enum Expect {
    Verified { scheme: String, message_id: Option<String>, key: Option<String> },
    Rejected { reason: String },
}

#[test]
fn every_vector_has_the_verdict_that_it_expects() {
    let mut failures = Vec::new();
    let mut run = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("a vector file can be read");
        for case in
            serde_json::from_str::<Vec<Case>>(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        {
            run += 1;
            if let Some(found) = disagreement(&case.expect, &verify(&case)) {
                failures.push(format!("{}: expected {:?}, found {found}", case.name, case.expect));
            }
        }
    }
    println!("{run} vectors run");
    assert!(failures.is_empty(), "{} of {run} vectors fail:\n{}", failures.len(), failures.join("\n"));
    assert!(run > 0, "no vector was run");
}

fn files() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map_or(own, PathBuf::from);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    assert!(!files.is_empty(), "there are no vectors in {}", folder.display());
    files
}

fn verify(case: &Case) -> Result<Verified, Rejection> {
    let secrets = case.verifier.secrets.iter().map(|case| {
        let secret = Secret::parse(&case.secret).expect("the secret of a vector");
        match case.expires_at {
            Some(at) => secret.expiring_at(UnixTime::from_secs(at)),
            None => secret,
        }
    });
    let mut builder = Verifier::builder("vectors").secrets(secrets);
    if let Some(seconds) = case.verifier.tolerance_seconds {
        builder = builder.tolerance(Duration::from_secs(seconds));
    }
    let keys = case.verifier.public_keys.iter().map(|key| PublicKey::parse(key).expect("the public key of a vector"));
    builder = builder.public_keys(keys);
    if let Some(jwks) = &case.verifier.jwks {
        let set = KeySet::parse(jwks.to_string().as_bytes()).expect("the key set of a vector");
        builder = builder.key_set(Arc::new(set));
    }
    if let Some(token) = &case.verifier.token {
        let policy = TokenPolicy::new(token.audience.clone()).issuer(token.issuer.clone());
        builder = builder.token(match token.body_binding.as_deref() {
            None => policy,
            Some("none") => policy.danger_accept_unbound_bodies(),
            Some(other) => panic!("{}: no such body binding: {other}", case.name),
        });
    }
    let verifier = builder.build().expect("the verifier of a vector");

    let mut headers = HeaderMap::new();
    for (name, value) in &case.request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
    }
    let body = STANDARD.decode(&case.request.body_base64).expect("a body in base64");
    verifier.begin(&headers, UnixTime::from_secs(case.now))?.finish(body.into())
}

/// What was found, where it is not what was expected.
fn disagreement(expected: &Expect, found: &Result<Verified, Rejection>) -> Option<String> {
    let agree = match (expected, found) {
        (Expect::Verified { scheme, message_id, key }, Ok(verified)) => {
            scheme == verified.scheme().as_str()
                && message_id.as_ref().is_none_or(|id| id == verified.message_id().as_str())
                && key.as_ref().is_none_or(|key| key == verified.key_label())
        }
        (Expect::Rejected { reason }, Err(rejection)) => reason == rejection.reason().as_str(),
        _ => false,
    };
    (!agree).then(|| match found {
        Ok(verified) => format!("{verified:?}"),
        Err(rejection) => rejection.reason().to_string(),
    })
}
