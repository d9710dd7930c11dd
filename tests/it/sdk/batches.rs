//! Batches, whose requests are inline or in a file.

use countersign::verdict::Scheme;
use countersign_emulator::Dynamic;
use serde_json::{Value, json};

use super::client::{Major, Sdk};
use super::facts::{VERSIONS, assert_error, assert_name, list, moment, text, to_the_millisecond, with};
use super::pushed::Expected;
use super::stage::{JOB_TIME, Stage};

/// All batches that a script makes, in their order.
const MADE: [&str; 6] = ["inline", "file", "registered", "failed", "expired", "cancelled"];

#[test]
fn python_follows_batches() {
    follows_batches(Sdk::Python);
}

#[test]
fn javascript_follows_batches() {
    follows_batches(Sdk::JavaScript);
}

#[test]
fn earlier_javascript_follows_batches() {
    follows_batches(Sdk::EarlierJavaScript);
}

fn follows_batches(sdk: Sdk) {
    let stage = Stage::start(Dynamic::V1a);
    let facts = stage.drive(sdk, Major::Third, "batches", None);
    for version in VERSIONS {
        let facts = &facts[version];
        let responses =
            json!([response("Say hello.", &json!({ "key": "r1" })), response("Say goodbye.", &Value::Null)]);
        for (what, state, end) in [
            ("inline", "SUCCEEDED", json!({ "responses": responses })),
            ("file", "SUCCEEDED", json!({ "file_name": file_of(&facts["file"]) })),
            ("registered", "SUCCEEDED", json!({ "file_name": file_of(&facts["registered"]) })),
            ("failed", "FAILED", json!({})),
            ("expired", "EXPIRED", json!({})),
        ] {
            came_to(&facts[what], what, state, &end);
        }
        downloaded(facts);
        cancelled(sdk, facts);
        listed_and_deleted(sdk, facts);
        pushed(&stage, facts, version);
    }
}

fn response(words: &str, metadata: &Value) -> Value {
    json!({
        "text": format!("An emulated answer to: {words}"),
        "model_version": "gemini-2.5-flash",
        "finish_reason": "STOP",
        "metadata": metadata,
        "error": null,
    })
}

/// The files hold what was asked for, a line for each request.
fn downloaded(facts: &Value) {
    let lines = |name: &str| {
        let lines = text(&facts[name]).lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
        lines.map(|line: Value| {
            let words = &line["response"]["candidates"][0]["content"]["parts"][0]["text"];
            (text(&line["key"]).to_owned(), text(words).to_owned())
        })
    };
    let said = |key: &str, words: &str| (key.to_owned(), format!("An emulated answer to: {words}"));
    let inline: Vec<_> = lines("object").collect();
    assert_eq!(inline, [said("r1", "Say hello."), said("request-2", "Say goodbye.")]);
    let of_file: Vec<_> = lines("downloaded").collect();
    assert_eq!(of_file, [said("request-1", "the requests of files/requests-1")]);
    assert_eq!(facts["downloaded_again"], facts["downloaded"]);
    let size = text(&facts["downloaded"]).len();
    assert_eq!(facts["described"], json!([file_of(&facts["file"]), "application/jsonl", size, "GENERATED"]));
}

/// The last part of its name.
fn id(batch: &Value) -> &str {
    text(&batch["name"]).strip_prefix("batches/").expect("a batch's name")
}

fn file_of(facts: &Value) -> String {
    format!("files/batch-{}", id(&facts["created"]))
}

/// As it is when it has been asked for.
fn created(found: &Value, what: &str) -> Value {
    assert_name(&found["name"], "batches/", 36);
    json!({
        "name": found["name"],
        "display_name": what,
        "state": "JOB_STATE_PENDING",
        "model": "models/gemini-2.5-flash",
        "create_time": to_the_millisecond(moment(&found["create_time"])),
        "update_time": found["create_time"],
        "end_time": null,
        "file_name": null,
        "responses": null,
    })
}

/// It was pending, then running twice, and came to its end when its time was over.
fn came_to(facts: &Value, what: &str, state: &str, end: &Value) {
    let created = created(&facts["created"], what);
    assert_eq!(facts["created"], created, "{what}");
    let running = with(&created, &json!({ "state": "JOB_STATE_RUNNING" }));
    let ended_at = to_the_millisecond(moment(&created["create_time"]).saturating_add(JOB_TIME));
    let ended = json!({ "state": format!("JOB_STATE_{state}"), "update_time": ended_at, "end_time": ended_at });
    let ended = with(&with(&created, &ended), end);
    assert_eq!(facts["polled"], json!([running, running, ended]), "{what}");
}

fn cancelled(sdk: Sdk, facts: &Value) {
    let cancelled = &facts["cancelled"];
    let created = created(&cancelled["created"], "cancelled");
    assert_eq!(cancelled["created"], created);
    assert_eq!(cancelled["answer"], Value::Null);
    let at = &cancelled["polled"][0]["end_time"];
    assert!(moment(at) >= moment(&created["create_time"]), "{at}");
    let ended = json!({ "state": "JOB_STATE_CANCELLED", "update_time": at, "end_time": at });
    assert_eq!(cancelled["polled"], json!([with(&created, &ended)]));
    let said = "the batch has ended already";
    assert_error(sdk, &facts["cancelled_again"], "batches", (400, "FAILED_PRECONDITION"), said);
}

fn last(facts: &Value) -> &Value {
    list(&facts["polled"]).last().expect("it was polled")
}

fn listed_and_deleted(sdk: Sdk, facts: &Value) {
    assert_eq!(facts["none"], json!([]));
    // Answers that came inline may be many: a list is without them.
    let listed = |what: &&str| with(last(&facts[*what]), &json!({ "responses": null }));
    let newest_first: Vec<_> = MADE.iter().rev().map(listed).collect();
    assert_eq!(facts["pages"], json!([newest_first[..2], newest_first[2..4], newest_first[4..]]));
    assert_eq!(facts["all"], json!(newest_first));

    assert_eq!(facts["deleted"], json!({}));
    let name = text(&newest_first[0]["name"]);
    let said = format!("this project has no batch `{name}`");
    assert_error(sdk, &facts["get_of_deleted"], "batches", (404, "NOT_FOUND"), &said);
    let left: Vec<_> = newest_first[1..].iter().map(|batch| &batch["name"]).collect();
    assert_eq!(facts["left"], json!(left));
}

/// One event of each, to where it was to go, that says what polling says.
fn pushed(stage: &Stage, facts: &Value, version: &str) {
    let mut dynamic = 0;
    for what in MADE {
        let polled = last(&facts[what]);
        let end = text(&polled["state"]).strip_prefix("JOB_STATE_").expect("a state");
        let data = match end {
            "SUCCEEDED" => json!({ "output_file_uri": format!("gs://emulated-bucket/batch-{}.jsonl", id(polled)) }),
            "FAILED" => json!({ "error_code": "INTERNAL", "error_message": "the job was asked to fail" }),
            _ => json!({}),
        };
        let expected = Expected {
            event_type: &format!("batch.{}", end.to_ascii_lowercase()),
            id: &polled["name"],
            at: moment(&polled["end_time"]),
            data,
            user_metadata: json!({ "what": what, "n": 1, "snake_case": { "camelCase": [1.5, null] } }),
        };
        if what == "registered" {
            let deliveries = stage.receiver.at(&format!("/static/{version}"));
            let [delivery] = deliveries.as_slice() else { panic!("not one delivery: {deliveries:#?}") };
            let event = delivery.verified_by(text(&facts["secret"])).expect("signed with the webhook's secret");
            assert_eq!(event.user_metadata.map(Value::Object).as_ref(), Some(&expected.user_metadata));
            expected.is_said_by(delivery);
        } else {
            expected.arrived(stage, &format!("/dynamic/{version}/{what}"), Scheme::V1a);
            dynamic += 1;
        }
    }
    assert_eq!(stage.receiver.at(&format!("/dynamic/{version}")).len(), dynamic);
}
