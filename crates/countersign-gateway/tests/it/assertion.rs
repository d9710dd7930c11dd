//! `assertion = true`: a backend verifies what the gateway signed with the key set that the gateway publishes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{
    Answer, Backend, Delivery, Gateway, InProcess, Running, SOURCE, Seen, Wire, delivery, finished, free_address, get,
    route, route_to, send, until,
};
use countersign_test::process::Process;
use countersign_tests::install::Packages;
use http::StatusCode;
use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use tempfile::TempDir;

const PACKAGES: Packages = Packages(env!("CARGO_TARGET_TMPDIR"));
const WIRE: Wire = Wire::Http1Length;
const PATH: &str = "/.well-known/jwks.json";
const HEADER: &str = "countersign-assertion";
const ISSUER: &str = "https://gateway.example";
const AUDIENCE: &str = "backend";
const ON: &str = "assertion = true";
const ED25519: &[&str] = &["-algorithm", "ed25519"];
const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const BODY: &str = "{\"type\":\"batch.succeeded\"}";
const BODY_SHA256: &str = "e125bbeda37c3d55617e6a0ff24fca348703c40da5a0a8234656e1b3a80e0220";

/// A file with a private key.
struct KeyFile(TempDir);

impl KeyFile {
    fn new(kind: &[&str]) -> Self {
        let file = Self(tempfile::tempdir().expect("a folder"));
        file.replace(kind);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    fn replace(&self, kind: &[&str]) {
        let output = finished(Command::new("openssl").arg("genpkey").args(kind).arg("-out").arg(self.path()));
        assert!(output.status.success(), "{output:?}");
    }

    /// The table that names it.
    fn table(&self) -> String {
        format!(
            "[assertion]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\nkey = {{ file = \"{}\" }}\n",
            self.path().display()
        )
    }
}

async fn key_set(gateway: &Gateway) -> JwkSet {
    let reply = get(gateway.admin, PATH).await.expect("a response");
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "application/jwk-set+json");
    serde_json::from_slice(&reply.body).expect("a key set")
}

/// The claims, if a key of the set has signed them for this backend, and the name of the key.
fn verified(token: &str, set: &JwkSet) -> Option<(Value, String)> {
    let header = decode_header(token).ok()?;
    let jwk = set.find(header.kid.as_deref()?)?;
    if ![Algorithm::EdDSA, Algorithm::ES256].contains(&header.alg) {
        return None;
    }
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    let claims = decode::<Value>(token, &DecodingKey::from_jwk(jwk).ok()?, &validation).ok()?.claims;
    Some((claims, header.kid?))
}

fn assertion(seen: &Seen) -> &str {
    seen.header(HEADER).expect("one assertion")
}

#[tokio::test]
async fn a_backend_verifies_the_assertion_with_the_published_keys() {
    for kind in [ED25519, P256] {
        let (backend, key) = (Backend::start().await, KeyFile::new(kind));
        let gateway = Gateway::start(&[&key.table(), SOURCE, &route(&backend, ON)].concat()).await;
        let set = key_set(&gateway).await;
        assert_eq!(set.keys.len(), 1);
        for (number, wire) in Wire::ALL.into_iter().enumerate() {
            let id = format!("msg_{number}");
            assert_eq!(gateway.send(&delivery(&id, BODY), wire).await.status, StatusCode::OK);
            let seen = backend.has_seen(number + 1).await;
            let (claims, kid) = verified(assertion(&seen), &set).expect("a verified assertion");
            assert_eq!(kid, set.keys[0].thumbprint(ThumbprintHash::SHA256).expect("a thumbprint"));
            for (claim, value) in [
                ("jti", &*id),
                ("source", "test"),
                ("scheme", "v1"),
                ("key", "TEST_SECRET"),
                ("event_type", "batch.succeeded"),
                ("body_sha256", BODY_SHA256),
            ] {
                assert_eq!(claims[claim], value, "{claim}: {claims}");
            }
            assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|iat| iat + 60));
        }
    }
}

#[tokio::test]
async fn a_client_cannot_forge_the_assertion() {
    let (backend, key) = (Backend::start().await, KeyFile::new(ED25519));
    for (more, count) in [(ON, 1), ("", 0)] {
        let gateway = InProcess::start(&[&key.table(), SOURCE, &route(&backend, more)].concat());
        for wire in Wire::ALL {
            let number = backend.seen().len();
            let forged = [
                "countersign-assertion",
                "countersign_assertion",
                "http_countersign_assertion",
                "countersignassertion",
            ];
            let sent = delivery(&format!("msg_{number}"), "{}");
            let sent = forged.into_iter().fold(sent, |sent, name| sent.set(name, "forged"));
            assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK);
            let seen = backend.has_seen(number + 1).await;
            let names: Vec<_> = seen.headers.keys().filter(|name| name.as_str().contains("assertion")).collect();
            assert_eq!(names.len(), count, "{names:?}");
            assert_eq!(seen.headers.get_all(HEADER).iter().filter(|value| *value != "forged").count(), count);
        }
    }
}

#[tokio::test]
async fn a_reload_replaces_the_key_and_still_publishes_the_previous_one() {
    let (backend, key) = (Backend::start().await, KeyFile::new(ED25519));
    let gateway = Gateway::start(&[&key.table(), SOURCE, &route(&backend, ON)].concat()).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    let before = backend.has_seen(1).await;
    let first = key_set(&gateway).await;

    key.replace(P256);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
    let after = backend.has_seen(2).await;
    let set = key_set(&gateway).await;
    assert_eq!(set.keys.len(), 2);
    let [old, new] = [&before, &after].map(|seen| verified(assertion(seen), &set).expect("a verified assertion").1);
    assert_ne!(old, new);
    assert!(verified(assertion(&after), &first).is_none(), "the first key set has only the previous key");

    std::fs::write(key.path(), "no key").expect("a file");
    let reply = gateway.reload().await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(String::from_utf8_lossy(&reply.body).contains("no private key in PKCS#8"), "{:?}", reply.body);
    assert_eq!(key_set(&gateway).await.keys.len(), 2);
}

#[tokio::test]
async fn without_a_key_one_is_generated_and_stays_during_reloads() {
    let backend = Backend::start().await;
    let table = format!("[assertion]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\n");
    let gateway = Gateway::start(&[&table, SOURCE, &route(&backend, ON)].concat()).await;
    assert!(gateway.output().contains("there is no `key`"), "{}", gateway.output());
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    let (seen, set) = (backend.has_seen(1).await, key_set(&gateway).await);
    assert!(verified(assertion(&seen), &set).is_some() && set.keys.len() == 1);
}

#[tokio::test]
async fn each_attempt_from_the_inbox_is_signed() {
    let backend = Backend::answering([Answer::Status(500)]).await;
    let key = KeyFile::new(ED25519);
    let more = format!("{ON}\ndelivery = \"inbox\"\nredelivery = {{ first = \"20ms\", max = \"50ms\" }}");
    let store = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";
    let gateway = Gateway::start(&[store, &key.table(), SOURCE, &route(&backend, &more)].concat()).await;
    assert_eq!(gateway.send(&delivery("msg_1", BODY), WIRE).await.status, StatusCode::ACCEPTED);
    backend.has_seen(2).await;
    let set = key_set(&gateway).await;
    for seen in backend.seen() {
        let (claims, _) = verified(assertion(&seen), &set).expect("a verified assertion");
        for (claim, value) in [
            ("jti", "msg_1"),
            ("source", "test"),
            ("scheme", "v1"),
            ("key", "TEST_SECRET"),
            ("event_type", "batch.succeeded"),
            ("body_sha256", BODY_SHA256),
        ] {
            assert_eq!(claims[claim], value, "{claim}: {claims}");
        }
    }
}

/// The example at this path, as a backend of a gateway.
async fn check_example(key: &KeyFile, mut command: Command) {
    let address = free_address();
    let gateway = Gateway::start(&[&key.table(), SOURCE, &route_to(&[address], ON)].concat()).await;
    let url = format!("http://{}{PATH}", gateway.admin);
    command.args(["--port", &address.port().to_string(), "--jwks", &url, "--issuer", ISSUER, "--audience", AUDIENCE]);
    let _example = Process::spawn(&mut command);
    until("the example is up", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
    assert_eq!(gateway.send(&delivery("msg_1", BODY), WIRE).await.status, StatusCode::OK);

    // Around the gateway: without an assertion, and with that of another body.
    let recorder = Backend::start().await;
    gateway.edit(&[(&address.to_string(), &recorder.address().to_string())]);
    assert_eq!(gateway.reload().await.status, StatusCode::OK);
    assert_eq!(gateway.send(&delivery("msg_2", BODY), WIRE).await.status, StatusCode::OK);
    let token = assertion(&recorder.has_seen(1).await).to_owned();
    let (head, signature) = token.rsplit_once('.').expect("a signature");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let broken = format!("{head}.{first}{}", &signature[1..]);
    let direct = |body: &'static str, token: &str| delivery("msg_2", body).set(HEADER, token);
    let status = async |sent: Delivery| send(address, &sent, WIRE).await.status;
    assert_eq!(status(direct(BODY, &token)).await, StatusCode::OK);
    assert_eq!(status(direct("{}", &token)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(direct(BODY, &broken)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(delivery("msg_2", BODY)).await, StatusCode::UNAUTHORIZED);
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/assertion")
}

const REQUIREMENTS: &str = include_str!("../../../../examples/assertion/requirements.txt");
const DJANGO: &str = include_str!("../../../../examples/assertion/requirements-django.txt");

#[tokio::test]
async fn the_examples_in_python_verify_assertions() {
    for (script, name, requirements) in [
        ("backend.py", "assertion-python", REQUIREMENTS.to_owned()),
        ("django_backend.py", "assertion-django", [REQUIREMENTS, DJANGO].concat()),
    ] {
        let packages = PACKAGES.python(name, &requirements);
        for kind in [ED25519, P256] {
            let mut command = Command::new("python3");
            command.arg("-B").arg(examples().join(script)).env("PYTHONPATH", &packages);
            check_example(&KeyFile::new(kind), command).await;
        }
    }
}

#[tokio::test]
async fn the_examples_in_node_verify_assertions() {
    let package = include_str!("../../../../examples/assertion/package.json");
    let lock = include_str!("../../../../examples/assertion/package-lock.json");
    let packages = PACKAGES.javascript("assertion-javascript", package, lock);
    // Node.js looks for packages beside the module.
    for module in ["assertion.mjs", "backend.mjs", "express_backend.mjs"] {
        std::fs::copy(examples().join(module), packages.with_file_name(module)).expect("a copy");
    }
    for module in ["backend.mjs", "express_backend.mjs"] {
        for kind in [ED25519, P256] {
            let mut command = Command::new("node");
            command.arg(packages.with_file_name(module));
            check_example(&KeyFile::new(kind), command).await;
        }
    }
}

/// The gem of Debian verifies ES256 only.
#[tokio::test]
async fn the_example_in_ruby_verifies_assertions() {
    let gems = Command::new("ruby").args(["-e", "require 'action_controller'; require 'jwt'; require 'puma'"]).output();
    let has_gems = gems.is_ok_and(|output| output.status.success());
    assert!(has_gems, "{}", countersign_tests::install::missing("ruby", "ruby ruby-railties ruby-jwt puma"));
    let mut command = Command::new("ruby");
    command.arg(examples().join("rails_backend.rb"));
    check_example(&KeyFile::new(P256), command).await;
}
