//! `verify`: every form of a captured request, every verdict, every exit code.

use std::path::{Path, PathBuf};

use crate::common::{BODY, Captured, ID, NOW, SECRET, command, run};
use serde_json::{Value, json};

/// The specification's cases, each through the command line.
#[test]
fn every_vector_has_the_verdict_that_it_expects() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (mut run, mut wrong) = (0, Vec::new());
    for file in files() {
        let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(file).expect("vectors")).expect("cases");
        for case in cases {
            run += 1;
            let ran: crate::common::Ran = verify(&case, folder.path()).output().expect("the program runs").into();
            let (expected, found) = (&case["expect"], ran.json());
            let verified = expected["verdict"] == "verified";
            let agree = ran.code == i32::from(!verified)
                && ["verdict", "reason", "scheme"].iter().all(|name| expected[*name] == found[*name])
                && ["message_id", "key"]
                    .iter()
                    .all(|name| expected[*name].is_null() || expected[*name] == found[*name]);
            if !agree {
                wrong.push(format!("{}: expected {expected}, found {found}", case["name"]));
            }
        }
    }
    assert!(run > 0 && wrong.is_empty(), "{} of {run}:\n{}", wrong.len(), wrong.join("\n"));
}

fn files() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map_or(own, PathBuf::from);
    let paths = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

/// The command line that says what the case says.
fn verify(case: &Value, folder: &Path) -> std::process::Command {
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let text = |of: &Value| of.as_str().expect("text").to_owned();
    let (request, jwks) = (folder.join("request.json"), folder.join("jwks.json"));
    std::fs::write(&request, case["request"].to_string()).expect("a file can be written");
    let verifier = &case["verifier"];
    let mut verify = command();
    verify.args(["verify", "--json", "--now", &case["now"].to_string(), "--request"]).arg(&request);
    for (number, secret) in (1..).zip(list(&verifier["secrets"])) {
        verify.args(["--secret", &text(&secret["secret"])]);
        if let Some(at) = secret["expires_at"].as_u64() {
            verify.args(["--secret-expires", &format!("secret-{number}={at}")]);
        }
    }
    for key in list(&verifier["public_keys"]) {
        verify.args(["--public-key", &text(&key)]);
    }
    if verifier["jwks"].is_object() {
        std::fs::write(&jwks, verifier["jwks"].to_string()).expect("a file can be written");
        verify.arg("--jwks").arg(&jwks);
    }
    for name in ["audience", "issuer"] {
        for value in list(&verifier["token"][name]) {
            verify.args([&format!("--{name}"), &text(&value)]);
        }
    }
    if verifier["token"]["body_binding"] == "none" {
        verify.arg("--danger-accept-unbound-body");
    }
    if let Some(seconds) = verifier["tolerance_seconds"].as_u64() {
        verify.args(["--tolerance", &format!("{seconds}s")]);
    }
    verify
}

#[test]
fn a_request_is_read_in_every_form() {
    let authentic = Captured::authentic();
    let lines: String = authentic.headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    let object: Value =
        authentic.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    let body = authentic.write("body.json", BODY);
    let lines_file = authentic.write("lines.txt", format!("POST /hooks HTTP/1.1\r\nHost: localhost:80\r\n{lines}"));
    let object_file = authentic.write("object.json", object.to_string());
    let raw = authentic.write("raw", format!("POST /hooks HTTP/1.1\r\n{lines}\r\n{BODY}"));
    let request = authentic.write("request.json", json!({"headers": object, "body": BODY}).to_string());
    for form in [
        vec!["--headers", &lines_file, "--body", &body],
        vec!["--headers", &object_file, "--body", &body],
        vec!["--raw", &raw],
        vec!["--request", &request],
    ] {
        let ran =
            run(["verify"].into_iter().chain(form.iter().copied()).chain(authentic.args.iter().map(String::as_str)));
        assert_eq!(ran.code, 0, "{form:?}: {ran:?}");
    }
}

#[test]
fn a_verdict_is_told_in_words() {
    let ran = Captured::authentic().run("verify");
    let expected = format!(
        "verified\n  scheme      v1\n  key         a.secret\n  message id  {ID}\n  \
         timestamp   {NOW} (2026-09-29T06:05:46Z, as it arrived)\n  event type  batch.succeeded\n"
    );
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, expected.as_str(), ""));

    let ran = Captured::authentic().body("{}").run("verify");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("rejected: signature_mismatch\n"), "{ran:?}");
    assert!(ran.stdout.contains("countersign explain"), "{ran:?}");
}

#[test]
fn the_key_that_matched_is_named() {
    let authentic = Captured::authentic();
    let mut verify = command();
    let headers = authentic.write("h", serde_json::to_vec(&authentic.headers).expect("pairs"));
    let body = authentic.write("b", BODY);
    verify.args(["verify", "--headers", &headers, "--body", &body, "--now", "1790661946", "--json"]);
    verify.args(["--secret", crate::common::OTHER_SECRET, "--secret-env", "NEW_SECRET"]).env("NEW_SECRET", SECRET);
    let ran: crate::common::Ran = verify.output().expect("the program runs").into();
    assert_eq!((ran.code, &ran.json()["key"]), (0, &"NEW_SECRET".into()), "{ran:?}");
}

#[test]
fn what_cannot_be_tried_is_a_usage_error_that_says_what_to_do() {
    let authentic = Captured::authentic();
    let request = authentic.write("request.json", json!({"headers": {}, "body": ""}).to_string());
    let broken = authentic.write("broken.json", "{");
    let both = authentic.write("both.json", json!({"headers": {}, "body": "", "body_base64": ""}).to_string());
    let no_head = authentic.write("no-head", "webhook-id: a\n");
    for (args, expected) in [
        (vec!["--request", &request], "--secret"),
        (vec!["--secret", SECRET], "--request"),
        (vec!["--secret", SECRET, "--headers", &request], "--body"),
        (vec!["--secret", SECRET, "--request", "/no/such/file"], "/no/such/file: cannot be read"),
        (vec!["--secret", SECRET, "--request", &broken], "not a request as JSON"),
        (vec!["--secret", SECRET, "--request", &both], "leave one out"),
        (vec!["--secret", SECRET, "--raw", &no_head], "no empty line"),
        (vec!["--secret", SECRET, "--headers", "-", "--body", "-"], "more than once"),
        (vec!["--public-key", SECRET, "--request", &request], "--public-key, number 1: a public key starts with"),
        (vec!["--jwks", &broken, "--request", &request], "broken.json: this is not a key set"),
        (vec!["--jwks", "http://example.com/", "--request", &request], "a key set must be fetched over https"),
        (
            vec!["--jwks", "http://127.0.0.1:1/", "--request", &request],
            "http://127.0.0.1:1/: cannot be fetched: cannot connect",
        ),
        (vec!["--jwks", "-", "--headers", "-", "--body", &request], "more than once"),
        (vec!["--secret", SECRET, "--request", &request, "--issuer", "a"], "--audience"),
        (vec!["--secret", SECRET, "--request", &request, "--danger-accept-unbound-body"], "--audience"),
        (vec!["--secret", SECRET, "--request", &request, "--now", "1790661946000"], "milliseconds"),
        (vec!["--secret", SECRET, "--request", &request, "--now", "today"], "RFC 3339"),
        (vec!["--secret", SECRET, "--request", &request, "--tolerance", "5"], "5m"),
        (
            vec!["--secret", "\"whsec_x\"", "--request", &request],
            "`secret-1` cannot be used: the secret is in quotation marks",
        ),
        (vec!["--secret-env", "NO_SUCH_VARIABLE", "--request", &request], "`NO_SUCH_VARIABLE` is not set"),
        (vec!["--secret", SECRET, "--request", &request, "--secret-expires", "x=1"], "are called: secret-1"),
    ] {
        let ran = run(["verify"].into_iter().chain(args.iter().copied()));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{args:?}: {expected:?} is not in {}", ran.stderr);
        assert!(!ran.stderr.contains(SECRET), "a secret is shown: {ran:?}");
    }
}
