//! Files that an SDK uploads, and batches that read them.

use countersign_emulator::Dynamic;
use serde_json::{Value, json};

use super::client::{Major, Sdk};
use super::facts::{VERSIONS, list, text};
use super::stage::Stage;

#[test]
fn python_uploads_the_requests_of_a_batch() {
    uploads(Sdk::Python);
}

#[test]
fn javascript_uploads_the_requests_of_a_batch() {
    uploads(Sdk::JavaScript);
}

#[test]
fn earlier_javascript_uploads_the_requests_of_a_batch() {
    uploads(Sdk::EarlierJavaScript);
}

fn uploads(sdk: Sdk) {
    let stage = Stage::start(Dynamic::V1a);
    let facts = stage.drive(sdk, Major::Third, "uploads", None);
    for version in VERSIONS {
        let facts = &facts[version];
        let uploaded = &facts["uploaded"];
        assert!(text(&uploaded["name"]).starts_with("files/"), "{uploaded}");
        assert_eq!(uploaded["display_name"], "requests");
        assert_eq!((&uploaded["mime_type"], &uploaded["state"]), (&json!("application/jsonl"), &json!("ACTIVE")));
        assert_eq!(uploaded["source"], "UPLOADED");
        assert_eq!(&facts["described"], uploaded);
        // More than one piece of 8 MiB.
        assert_eq!(facts["large"], json!(9 << 20));
        assert_eq!(list(&facts["listed"]).len(), 2);
        assert_eq!(&list(&facts["listed"])[1], &uploaded["name"]);

        assert_eq!(facts["state"], "JOB_STATE_SUCCEEDED");
        let lines = text(&facts["results"]).lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
        let answers: Vec<_> = lines
            .map(|line: Value| {
                let words = &line["response"]["candidates"][0]["content"]["parts"][0]["text"];
                (text(&line["key"]).to_owned(), text(words).to_owned())
            })
            .collect();
        let said = |key: &str, words: &str| (key.to_owned(), format!("An emulated answer to: {words}"));
        assert_eq!(answers, [said("request-1", "Say hello."), said("request-2", "Say goodbye.")]);
        assert_eq!(list(&facts["left"]).len(), 1);
    }
}
