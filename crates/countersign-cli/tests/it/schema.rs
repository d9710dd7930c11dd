//! The output of every verb with `--json`, against `output.schema.json`.

use crate::common::dynamic::jwks;
use crate::common::listening::Listening;
use crate::common::schema::problem;
use crate::common::{Captured, OTHER_SECRET, SECRET, run};
use countersign_test::process::free_address;
use serde_json::Value;

fn assert_conforms(name: &str, instance: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../output.schema.json")).expect("JSON");
    assert_eq!(problem(&schema, name, instance), None, "{instance}");
}

#[test]
fn the_verdicts_conform() {
    let captured = Captured::authentic().args(["--json"]);
    let other = Captured::authentic().secret(OTHER_SECRET).args(["--json"]);
    for verb in ["verify", "explain"] {
        assert_conforms(verb, &captured.run(verb).json());
        let rejected = other.run(verb).json();
        assert_eq!(rejected["verdict"], "rejected");
        assert_conforms(verb, &rejected);
    }
}

#[test]
fn signed_headers_and_key_sets_conform() {
    let folder = Captured::authentic();
    let body = folder.write("body", "{}");
    assert_conforms("sign", &run(["sign", &body, "--secret", SECRET, "--json"]).json());
    let mut set = jwks();
    let keys = set["keys"].as_array_mut().expect("keys");
    keys.push(serde_json::json!({ "kty": "oct" }));
    let set = folder.write("jwks.json", set.to_string());
    assert_conforms("jwks", &run(["jwks", "show", &set, "--json"]).json());
}

#[test]
fn what_is_sent_and_received_conforms() {
    let application = format!("http://{}", free_address());
    for args in [&["--json"][..], &["--json", "--forward", &application]] {
        let listening = Listening::start(args);
        let url = format!("http://{}/", listening.address);
        for (secret, repeat) in [(SECRET, "1"), (OTHER_SECRET, "1")] {
            let common = ["--event", "batch.succeeded", "--secret", secret, "--json"];
            assert_conforms("send", &run(["send", &url, "--repeat", repeat].into_iter().chain(common)).json());
            assert_conforms("bench", &run(["bench", &url, "--requests", repeat].into_iter().chain(common)).json());
            for _ in 0..2 {
                assert_conforms("listen", &serde_json::from_str(&listening.line()).expect("JSON"));
            }
        }
    }
    let nobody = run(["send", &application, "--event", "x", "--secret", SECRET, "--json"]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert_conforms("send", &nobody.json());
}

#[test]
fn what_the_schema_does_not_know_is_found() {
    let schema: Value = serde_json::from_str(include_str!("../../output.schema.json")).expect("JSON");
    let mut keys = serde_json::json!({ "keys": [{ "key": "a", "scheme": null, "problem": "b" }] });
    assert_eq!(problem(&schema, "jwks", &keys), None);
    keys["keys"][0]["more"] = 1.into();
    assert!(problem(&schema, "jwks", &keys).is_some_and(|problem| problem.starts_with("jwks.keys[0] has `more`")));
    keys["keys"][0] = serde_json::json!({ "key": 7, "scheme": null, "problem": "b" });
    assert!(problem(&schema, "jwks", &keys).is_some_and(|problem| problem.starts_with("jwks.keys[0].key is 7")));
}
