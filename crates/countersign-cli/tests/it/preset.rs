//! `--preset`: the headers and secrets of each sender, from `sign` and `send` to `verify`, `explain` and `listen`.

use crate::common::listening::Listening;
use crate::common::{Captured, OTHER_SECRET, SECRET, run};

const BODY: &str = r#"{"type":"user.created"}"#;
/// A sender, a secret as its users paste it, and the prefix of its headers.
const SENDERS: [(&str, &str, &str); 10] = [
    ("standard", SECRET, "webhook-"),
    ("gemini", SECRET, "webhook-"),
    ("openai", "sk_a_secret_that_is_the_key", "webhook-"),
    ("anthropic", SECRET, "webhook-"),
    ("svix", SECRET, "svix-"),
    ("clerk", SECRET, "svix-"),
    ("resend", SECRET, "svix-"),
    ("supabase", "v1,whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=", "webhook-"),
    ("replicate", SECRET, "webhook-"),
    ("polar", "polar_whs_a_secret_that_is_the_key", "webhook-"),
];

#[test]
fn every_sender_signs_what_it_verifies() {
    let folder = Captured::authentic();
    let body = folder.write("body", BODY);
    for (sender, secret, prefix) in SENDERS {
        let keys = ["--preset", sender, "--secret", secret];
        let signed = run(["sign", &body, "--json"].into_iter().chain(keys));
        let names: Vec<_> = signed.json().as_object().expect("headers").keys().cloned().collect();
        assert!(names.len() == 3 && names.iter().all(|name| name.starts_with(prefix)), "{sender}: {signed:?}");
        let headers = folder.write("headers", &signed.stdout);
        for verb in ["verify", "explain"] {
            let ran = run([verb, "--headers", &headers, "--body", &body].into_iter().chain(keys));
            assert_eq!(ran.code, 0, "{sender}: {ran:?}");
        }
        let other = run(["verify", "--headers", &headers, "--body", &body, "--secret", secret]);
        let is_plain = prefix == "webhook-" && secret == SECRET;
        assert_eq!(other.code == 0, is_plain, "{sender} without its preset: {other:?}");
    }
    assert_eq!(run(["sign", &body, "--secret", SECRET, "--preset", "nobody"]).code, 2);
}

#[test]
fn a_rejected_request_is_explained_under_the_names_of_its_sender() {
    let folder = Captured::authentic();
    let body = folder.write("body", BODY);
    let signed = run(["sign", &body, "--json", "--preset", "clerk", "--secret", OTHER_SECRET]);
    let headers = folder.write("headers", &signed.stdout);
    let keys = ["--preset", "clerk", "--secret", SECRET, "--try-secret", OTHER_SECRET, "--json"];
    let ran = run(["explain", "--headers", &headers, "--body", &body].into_iter().chain(keys));
    let (first, found) = (ran.json()["findings"][0].clone(), ran.json()["findings"].to_string());
    assert_eq!((ran.code, &first["certainty"]), (1, &"certain".into()), "{ran:?}");
    assert!(!found.contains("header_names") && !found.contains("svix"), "the names are right: {found}");
}

#[test]
fn a_receiver_with_a_preset_accepts_what_is_sent_with_it() {
    let listening = Listening::start(&["--preset", "clerk"]);
    assert_eq!(listening.send(&["--preset", "clerk"], "/").code, 0);
    assert_eq!(listening.send(&["--preset", "resend"], "/").code, 0);
    let ran = listening.send(&[], "/");
    assert_eq!((ran.code, ran.stdout.contains("401 Unauthorized, missing_header")), (1, true), "{ran:?}");
}
