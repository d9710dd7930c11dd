//! Every verb of the command line has `--json`, and its output conforms to a definition of `output.schema.json`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use countersign_test::process::{Process, free_address};
use serde_json::Value;

use crate::common::dynamic::jwks;
use crate::common::listening::Listening;
use crate::common::schema::problem;
use crate::common::{Captured, SECRET, command, run};
use crate::{forget, inbox, reconcile, store};

/// What it prints is a program for a shell.
const WITHOUT_JSON: [&str; 1] = ["completions"];

/// The verbs that do something, as the names of their manual pages without the program: `inbox-list`.
fn verbs() -> Vec<String> {
    let folder = Captured::authentic();
    let pages = run(["man", &folder.folder(), "--json"]).json();
    let names: Vec<_> = pages["pages"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let verbs: Vec<_> = names.iter().filter_map(|name| name.strip_prefix("countersign-")?.strip_suffix(".1")).collect();
    let is_group = |verb: &str| verbs.iter().any(|other| other.starts_with(&format!("{verb}-")));
    verbs.iter().filter(|verb| !is_group(verb)).map(|verb| (*verb).to_owned()).collect()
}

#[test]
fn every_verb_prints_json_that_conforms_to_its_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../output.schema.json")).expect("JSON");
    let verbs = verbs();
    assert!(verbs.len() > 20 && verbs.contains(&"inbox-list".to_owned()), "{verbs:?}");
    for verb in verbs.iter().filter(|verb| !WITHOUT_JSON.contains(&verb.as_str())) {
        let full = verb.replace('-', "_");
        let group = verb.split('-').next().unwrap_or_default();
        let definition = if schema["$defs"].get(&full).is_some() { full.as_str() } else { group };
        assert!(schema["$defs"].get(definition).is_some(), "{verb} has no schema");
        let outputs = outputs(verb);
        assert!(!outputs.is_empty(), "{verb} has no case in this test");
        for output in outputs {
            assert_eq!(problem(&schema, definition, &output), None, "{verb}: {output}");
        }
    }
}

/// What a verb prints with `--json`; empty if this test does not know the verb.
fn outputs(verb: &str) -> Vec<Value> {
    let folder = Captured::authentic();
    match verb {
        "secret-new" => vec![run(["secret", "new", "--json"]).json()],
        "jwks-show" => vec![run(["jwks", "show", &folder.write("jwks.json", jwks().to_string()), "--json"]).json()],
        "sign" => vec![run(["sign", &folder.write("body", "{}"), "--secret", SECRET, "--json"]).json()],
        "verify" | "explain" => {
            let other = Captured::authentic().body("{}").args(["--json"]);
            vec![Captured::authentic().args(["--json"]).run(verb).json(), other.run(verb).json()]
        }
        "send" | "bench" => {
            let url = format!("http://{}/", free_address());
            let count = if verb == "send" { "--repeat" } else { "--requests" };
            vec![run([verb, &url, count, "1", "--event", "a.b", "--secret", SECRET, "--json"]).json()]
        }
        "listen" => {
            let listening = Listening::start(&["--json"]);
            let url = format!("http://{}/", listening.address);
            run(["send", &url, "--event", "a.b", "--secret", SECRET]);
            vec![serde_json::from_str(&listening.line()).expect("JSON")]
        }
        "emulate" => emulated(),
        "forget" => vec![forget::AdminListener::start(None).forget(&["gemini", "msg_1", "--json"]).json()],
        "man" => vec![run(["man", &folder.folder(), "--json"]).json()],
        "reconcile" => vec![reconcile::Outage::start().run(&["--json"]).json()],
        _ => match verb.split_once('-') {
            Some(("inbox", inner)) => of_inbox(inner),
            Some(("store", inner)) => {
                let file = store::StoreFile::new();
                file.unused();
                vec![file.run(inner, &["--json"]).json()]
            }
            _ => Vec::new(),
        },
    }
}

fn of_inbox(verb: &str) -> Vec<Value> {
    let admin = inbox::AdminListener::start(None);
    let number = admin.number("msg_1");
    let args: &[&str] = match verb {
        "list" | "destinations" => &[],
        "show" | "redeliver" | "discard" => &[&number],
        "pause" | "resume" => &["/gemini"],
        _ => return Vec::new(),
    };
    vec![admin.run(&[&[verb][..], args, &["--json"]].concat()).json()]
}

/// The start, an attempt and a schedule.
fn emulated() -> Vec<Value> {
    let webhook = format!("http://{}/", free_address());
    let mut command = command();
    command.args(["emulate", "--listen", "127.0.0.1:0", "--webhook", &webhook, "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let _process = Process::from(child);
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("a line").expect("text")).expect("JSON");
    let start = next();
    let url = format!("{}/_emulator/events:emit", start["base_url"].as_str().expect("a URL"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = countersign_client::Client::builder().build();
    let request = http::Request::post(url).body(bytes::Bytes::from_static(b"{\"type\":\"batch.succeeded\"}"));
    runtime.block_on(client.send(request.expect("a request"))).expect("a response");
    vec![start, next(), run(["emulate", "--print-schedule", "--json"]).json()]
}
