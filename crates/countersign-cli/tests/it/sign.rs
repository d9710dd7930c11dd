//! `secret new`, `sign`, and what every verb has in common.

use std::io::Write as _;
use std::process::Stdio;

use crate::common::dynamic::{AUDIENCE, ISSUER, RSA, jwks, private_key as private_key_of, private_text};
use crate::common::{Captured, Ran, command, run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::Secret;

const PUBLISHED_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PUBLISHED_ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const PUBLISHED_BODY: &str = r#"{"email":"test@example.com","username":"test_user"}"#;
const PUBLISHED_SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

#[test]
fn a_new_secret_is_random_and_as_long_as_asked() {
    for (args, len) in [(&["secret", "new"][..], 32), (&["secret", "new", "--bytes", "64"], 64)] {
        let texts: [String; 2] = std::array::from_fn(|_| run(args.iter().copied()).stdout);
        assert_ne!(texts[0], texts[1]);
        let secret = texts[0].strip_suffix('\n').expect("a line");
        assert!(Secret::parse(secret).is_ok() && secret.starts_with("whsec_"), "{secret}");
        assert!(format!("{:?}", Secret::parse(secret)).contains(&format!("[{len} redacted]")), "{secret}");
    }
    assert_eq!(run(["secret", "new", "--bytes", "16"]).code, 2);
}

#[test]
fn the_published_vector_is_signed() {
    let folder = Captured::authentic();
    let body = folder.write("body.json", PUBLISHED_BODY);
    let ran = sign(&body, &[]);
    let expected = format!(
        "webhook-id: {PUBLISHED_ID}\nwebhook-timestamp: 1649367553\nwebhook-signature: {PUBLISHED_SIGNATURE}\n"
    );
    assert_eq!((ran.code, ran.stdout), (0, expected));
    assert_eq!(sign(&body, &["--json"]).json()["webhook-signature"], PUBLISHED_SIGNATURE);
}

#[test]
fn a_curl_command_sends_what_was_signed() {
    let folder = Captured::authentic();
    let body = folder.write("it's a body.json", PUBLISHED_BODY);
    let ran = sign(&body, &["--curl", "http://127.0.0.1:1/?a=1&b=2"]);
    assert!(ran.stdout.starts_with("curl -sS 'http://127.0.0.1:1/?a=1&b=2' \\\n"), "{ran:?}");
    assert!(ran.stdout.contains(&format!("-H 'webhook-signature: {PUBLISHED_SIGNATURE}'")), "{ran:?}");
    assert!(ran.stdout.contains("--data-binary '@") && ran.stdout.contains(r"it'\''s a body.json'"), "{ran:?}");
}

#[test]
fn what_is_signed_now_verifies_now() {
    let folder = Captured::authentic();
    let body = folder.write("body", PUBLISHED_BODY);
    let secret = folder.write("secret", format!("{PUBLISHED_SECRET}\r\n"));
    let headers = run(["sign", &body, "--secret-file", &secret]).stdout;
    let headers = folder.write("headers", headers);
    let ran = run(["verify", "--headers", &headers, "--body", &body, "--secret-file", &secret]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn both_schemes_are_signed_side_by_side() {
    let folder = Captured::authentic();
    let body = folder.write("body", PUBLISHED_BODY);
    let private_key = folder.write("private.key", format!("{}\n", private_text(1)));
    let mut both = command();
    both.args(["sign", &body, "--secret", PUBLISHED_SECRET, "--private-key-file", &private_key]);
    let ran: Ran =
        both.args(["--private-key-env", "OTHER"]).env("OTHER", private_text(2)).output().expect("it runs").into();
    let headers = folder.write("headers", &ran.stdout);
    let (one, other) = (private_key_of(1).public(), private_key_of(2).public());
    for key in [["--secret", PUBLISHED_SECRET], ["--public-key", &one], ["--public-key", &other]] {
        let ran = run(["verify", "--headers", &headers, "--body", &body].into_iter().chain(key));
        assert_eq!(ran.code, 0, "{key:?}: {ran:?}");
    }
    let ran = run(["sign", &body, "--private-key-file", &body]);
    assert_eq!((ran.code, ran.stderr.contains("`body` cannot be used: invalid private key")), (2, true), "{ran:?}");
}

#[test]
fn a_token_is_signed_with_a_key_in_either_form() {
    let folder = Captured::authentic();
    let body = folder.write("body", PUBLISHED_BODY);
    let jwks = folder.write("jwks", jwks().to_string());
    let encoded = STANDARD.encode(RSA);
    let pem = |kind| format!("-----BEGIN {kind}-----\n{encoded}\n-----END {kind}-----\n");
    for (key, audience) in [(RSA.to_vec(), &[AUDIENCE][..]), (pem("RSA PRIVATE KEY").into(), &["a", AUDIENCE])] {
        let key = folder.write("rsa", key);
        let mut args =
            vec!["sign", &body, "--token-key-file", &key, "--kid", "rsa-1", "--issuer", ISSUER, "--id", "one"];
        args.extend(audience.iter().flat_map(|audience| ["--audience", audience]));
        let headers = folder.write("headers", run(args).stdout);
        let mut args = vec!["verify", "--json", "--headers", &headers, "--body", &body];
        args.extend(["--jwks", &jwks, "--audience", AUDIENCE, "--issuer", ISSUER]);
        let ran = run(args);
        assert_eq!((ran.code, &ran.json()["message_id"]), (0, &"one".into()), "{ran:?}");
    }
    let key = folder.write("rsa", pem("PRIVATE KEY"));
    let fixed = ["sign", &body, "--kid", "k", "--audience", "a", "--token-key-file"];
    for (args, expected) in [
        (vec![&*key], "openssl rsa -traditional"),
        (vec![&body], "use an RSA key in DER"),
        (vec![&key, "--secret", PUBLISHED_SECRET], "cannot be used with"),
    ] {
        let ran = run(fixed.into_iter().chain(args));
        assert_eq!((ran.code, ran.stderr.contains(expected)), (2, true), "{expected}: {ran:?}");
    }
}

#[test]
fn stdin_is_a_file_too() {
    let mut child = command()
        .args(["sign", "-", "--secret", PUBLISHED_SECRET, "--id", PUBLISHED_ID, "--timestamp", "1649367553"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(PUBLISHED_BODY.as_bytes()).expect("it reads");
    let ran: Ran = child.wait_with_output().expect("it ends").into();
    assert!(ran.stdout.contains(PUBLISHED_SIGNATURE), "{ran:?}");
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command().args(["secret", "new"]).stdout(writer).output().expect("the program runs");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let rejected = Captured::authentic().body("{}");
    let headers = rejected.write("h", serde_json::to_vec(&rejected.headers).expect("pairs"));
    let body = rejected.write("b", &rejected.body);
    let mut verify = command();
    verify.args(["verify", "--headers", &headers, "--body", &body]).args(&rejected.args).stdout(writer);
    assert_eq!(verify.output().expect("the program runs").status.code(), Some(1));
}

#[test]
fn help_has_an_example_and_the_exit_codes() {
    assert!(run(["--help"]).stdout.contains("Exit codes:\n  0  verified"));
    for verb in [&["secret", "new"][..], &["jwks", "show"], &["sign"], &["send"], &["verify"], &["explain"]] {
        let help = run(verb.iter().copied().chain(["--help"])).stdout;
        assert!(help.contains(&format!("Example:\n  countersign {}", verb.join(" "))), "{help}");
    }
}

fn sign(body: &str, args: &[&str]) -> Ran {
    let fixed =
        ["sign", body, "--secret", PUBLISHED_SECRET, "--id", PUBLISHED_ID, "--timestamp", "2022-04-07T21:39:13Z"];
    run(fixed.into_iter().chain(args.iter().copied()))
}
