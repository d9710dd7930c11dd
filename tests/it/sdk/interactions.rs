//! Interactions in the background.

use countersign::verdict::Scheme;
use countersign_emulator::Dynamic;
use serde_json::{Value, json};

use super::client::{Major, Sdk};
use super::facts::{VERSIONS, assert_error, assert_name, assert_violation, list, moment, text, with};
use super::pushed::Expected;
use super::stage::{JOB_TIME, Stage};

#[test]
fn python_follows_interactions() {
    follows_interactions(Sdk::Python);
}

#[test]
fn javascript_follows_interactions() {
    follows_interactions(Sdk::JavaScript);
}

#[test]
fn earlier_javascript_follows_interactions() {
    follows_interactions(Sdk::EarlierJavaScript);
}

fn follows_interactions(sdk: Sdk) {
    let stage = Stage::start(Dynamic::V1a);
    let facts = stage.drive(sdk, Major::Third, "interactions", None);
    for version in VERSIONS {
        let (facts, job) = (&facts[version], |what| Job { stage: &stage, version, what });
        completed(facts, &job("completed"));
        asked_and_answered(sdk, facts, &job("asking"), &job("answering"));

        let errors = json!([{ "code": "internal", "message": "the job was asked to fail" }]);
        job("failed").came_to(&facts["failed"], "failed", &json!({ "errors": errors }));
        let agent = json!({ "model": null, "agent": "deep-research-pro-preview-12-2025" });
        job("agent").made_with(&agent, &facts["agent"], "completed", &answer("Look it up.", 3));
        let at_once = job("at_once").created(&facts["at_once"]);
        let mut at_once = with(&with(&at_once, &answer("Now.", 1)), &json!({ "status": "completed" }));
        // Both SDKs reckon this by themselves where they wait for the answer.
        at_once["usage"]["initial_input_tokens"] = 1.into();
        assert_eq!(facts["at_once"], at_once);
        cancelled(sdk, facts, &job("cancelled"));
        assert_eq!(stage.receiver.at(&format!("/dynamic/{version}")).len(), 6);
    }
}

/// What is asked for in `what`, in one version of the API.
struct Job<'a> {
    stage: &'a Stage,
    version: &'a str,
    what: &'a str,
}

impl Job<'_> {
    fn path(&self) -> String {
        format!("/dynamic/{}/{}", self.version, self.what)
    }

    fn user_metadata(&self) -> Value {
        json!({ "what": self.what, "n": 1, "camelCase": null, "nested": { "a_b": [1.5, true, "ü"] } })
    }

    /// As it is when it has been asked for.
    fn created(&self, found: &Value) -> Value {
        assert_name(&found["id"], "v1_", 32);
        json!({
            "id": found["id"],
            "status": "in_progress",
            "model": "gemini-2.5-flash",
            "agent": null,
            "created": found["created"],
            "updated": found["created"],
            "previous_interaction_id": null,
            "steps": [],
            "output_text": "",
            "usage": null,
            "errors": null,
            "webhook_config": {
                "uris": [format!("{}{}", self.stage.receiver_url(), self.path())],
                "user_metadata": self.user_metadata(),
            },
        })
    }

    fn came_to(&self, facts: &Value, status: &str, end: &Value) {
        self.made_with(&json!({}), facts, status, end);
    }

    /// It was made with these changes to the usual, was in progress twice, came to its end when its time was
    /// over, and that was pushed.
    fn made_with(&self, changes: &Value, facts: &Value, status: &str, end: &Value) {
        let step = self.what;
        let created = with(&self.created(&facts["created"]), changes);
        assert_eq!(facts["created"], created, "{step}");
        let polled = list(&facts["polled"]);
        let last = polled.last().expect("it was polled");
        let ended = with(&with(&created, end), &json!({ "status": status, "updated": last["updated"] }));
        assert_eq!(polled, [created.clone(), created, ended], "{step}");
        assert_eq!(moment(&last["updated"]), moment(&last["created"]).saturating_add(JOB_TIME), "{step}");
        self.pushed(last);
    }

    fn pushed(&self, polled: &Value) {
        let event_type = format!("interaction.{}", text(&polled["status"]));
        let data = match text(&polled["status"]) {
            "failed" => json!({ "error_code": "INTERNAL", "error_message": polled["errors"][0]["message"] }),
            _ => json!({}),
        };
        let at = moment(&polled["updated"]);
        let expected =
            Expected { event_type: &event_type, id: &polled["id"], at, data, user_metadata: self.user_metadata() };
        expected.arrived(self.stage, &self.path(), Scheme::V1a);
    }
}

/// The end of an interaction that repeats so many words.
fn answer(words: &str, count: usize) -> Value {
    let said = format!("An emulated answer to: {words}");
    json!({
        "steps": [{ "type": "model_output", "content": [{ "type": "text", "text": said }] }],
        "output_text": said,
        "usage": {
            "total_tokens": 2 * count + 4,
            "total_input_tokens": count,
            "total_output_tokens": count + 4,
            "total_cached_tokens": 0,
            "total_thought_tokens": 0,
            "total_tool_use_tokens": 0,
        },
    })
}

fn completed(facts: &Value, job: &Job<'_>) {
    job.came_to(&facts["completed"], "completed", &answer("Say hello, please.", 3));
    let last = list(&facts["completed"]["polled"]).last().expect("it was polled");
    let input = json!({ "type": "user_input", "content": [{ "type": "text", "text": "Say hello, please." }] });
    assert_eq!(facts["with_input"], with(last, &json!({ "steps": [input, last["steps"][0]] })));
}

fn asked_and_answered(sdk: Sdk, facts: &Value, asking: &Job<'_>, answering: &Job<'_>) {
    let last = list(&facts["asking"]["polled"]).last().expect("it was polled");
    let call = &last["steps"][0]["id"];
    assert_name(call, "call_", 12);
    let arguments = json!({ "city": "emulated", "days": 1 });
    let step = json!({ "type": "function_call", "id": call, "name": "get_weather", "arguments": arguments });
    asking.came_to(&facts["asking"], "requires_action", &json!({ "steps": [step] }));

    let previous = json!({ "previous_interaction_id": last["id"] });
    answering.made_with(&previous, &facts["answering"], "completed", &answer("clear", 1));
    let said = format!("the result is of a call that was not asked for: it asked for `{}`", text(call));
    assert_violation(sdk, &facts["wrong_answer"], "interactions", (400, "INVALID_ARGUMENT"), &said, Some("input"));
}

fn cancelled(sdk: Sdk, facts: &Value, job: &Job<'_>) {
    let cancelled = &facts["cancelled"];
    let created = job.created(&cancelled["created"]);
    assert_eq!(cancelled["created"], created);
    let answer = &cancelled["answer"];
    assert!(moment(&answer["updated"]) >= moment(&created["created"]), "{answer}");
    assert_eq!(answer, &with(&created, &json!({ "status": "cancelled", "updated": answer["updated"] })));
    assert_eq!(cancelled["polled"], json!([answer]));
    job.pushed(answer);

    let ended = "the interaction has ended already";
    assert_error(sdk, &facts["cancelled_again"], "interactions", (400, "FAILED_PRECONDITION"), ended);
    assert_eq!(facts["deleted"], Value::Null);
    let missing = format!("this project has no interaction `{}`", text(&created["id"]));
    assert_error(sdk, &facts["get_of_deleted"], "interactions", (404, "NOT_FOUND"), &missing);
}
