//! Jobs: what they end in, whom that is told, and that polling says the same.

use crate::common::{Api, Receiver, Seen, config, text};
use serde_json::{Value, json};

/// Starts a job that comes to an end, with this end by hand or by itself, and gives what was pushed.
struct Story {
    api: Api,
    receiver: Receiver,
    seen: usize,
}

impl Story {
    async fn begin() -> Self {
        Self { api: Api::start(config()).await, receiver: Receiver::start().await, seen: 0 }
    }

    fn webhook_config(&self) -> Value {
        json!({ "uris": [self.receiver.uri], "user_metadata": { "team": "blue", "n": [1, { "x": null }] } })
    }

    async fn interaction(&self, mut more: Value) -> Value {
        more["background"] = true.into();
        more["webhook_config"] = self.webhook_config();
        if more["agent"].is_null() {
            more["model"] = "gemini-test".into();
        }
        self.api.ok("POST", "/v1/interactions", more).await
    }

    async fn batch(&self, words: &str) -> Value {
        let request =
            json!({ "request": { "contents": [{ "parts": [{ "text": words }] }] }, "metadata": { "key": "r1" } });
        let batch = json!({ "batch": {
            "displayName": "mine",
            "inputConfig": { "requests": { "requests": [request] } },
            "webhookConfig": self.webhook_config(),
        }});
        self.api.ok("POST", "/v1/models/gemini-test:batchGenerateContent", batch).await
    }

    async fn video(&self, words: &str) -> Value {
        let video = json!({ "instances": [{ "prompt": words }], "webhookConfig": self.webhook_config() });
        self.api.ok("POST", "/v1beta/models/veo-test:predictLongRunning", video).await
    }

    /// The event that comes next.
    async fn told(&mut self) -> Seen {
        self.seen += 1;
        let seen = self.receiver.has_seen(self.seen).await.remove(self.seen - 1);
        assert_eq!(seen.json()["data"]["user_metadata"], self.webhook_config()["user_metadata"]);
        seen
    }

    /// The type of the event that comes next, about this job.
    async fn told_of(&mut self, name: &str) -> String {
        let event = self.told().await.json();
        assert_eq!((&event["data"]["id"], &event["version"]), (&name.into(), &"v1".into()), "{event}");
        text(&event["type"])
    }

    async fn get(&self, path: &str) -> Value {
        self.api.ok("GET", &format!("/v1/{path}"), Value::Null).await
    }

    /// Lets jobs end whose time it is.
    async fn pass(&self) {
        self.api.advance("2s").await;
    }
}

#[tokio::test]
async fn an_interaction_ends_as_its_input_asks_for_and_polling_says_the_same() {
    let mut story = Story::begin().await;
    for (input, status, told) in
        [("hello", "completed", "interaction.completed"), ("hello [[fail]]", "failed", "interaction.failed")]
    {
        let made = story.interaction(json!({ "input": input })).await;
        let id = text(&made["id"]);
        assert_eq!(made["status"], "in_progress");
        assert_eq!(story.get(&format!("interactions/{id}?stream=false")).await["status"], "in_progress");
        story.pass().await;
        assert_eq!(story.told_of(&id).await, told);
        let polled = story.get(&format!("interactions/{id}")).await;
        assert_eq!((&polled["status"], &polled["webhook_config"]), (&status.into(), &story.webhook_config()));
    }
    let last = story.receiver.seen().pop().expect("one").json();
    assert_eq!((last["data"]["error_code"].is_string(), last["data"]["error_message"].is_string()), (true, true));
}

#[tokio::test]
async fn an_incomplete_interaction_and_one_beyond_its_budget_are_told_nobody() {
    let story = Story::begin().await;
    for (input, verb, status) in [
        ("hello [[incomplete]]", "leave_incomplete", "incomplete"),
        ("hello [[exceed_budget]]", "exceed_budget", "budget_exceeded"),
    ] {
        let by_itself = text(&story.interaction(json!({ "input": input })).await["id"]);
        let by_hand = text(&story.interaction(json!({ "input": "hello" })).await["id"]);
        story.api.ok("POST", &format!("/_emulator/jobs/1/{by_hand}:{verb}"), Value::Null).await;
        story.pass().await;
        for id in [by_itself, by_hand] {
            assert_eq!(story.get(&format!("interactions/{id}")).await["status"], status);
        }
        let batch = text(&story.batch("hello").await["name"]);
        let path = format!("/_emulator/jobs/1/{batch}:{verb}");
        assert_eq!(story.api.call("POST", &path, &Value::Null).await.0, 400, "a batch cannot end so");
        story.api.ok("POST", &format!("/v1/{batch}:cancel"), json!({})).await;
    }
    story.receiver.has_seen(2).await;
    assert_eq!(story.api.emulator.totals().deliveries, 2, "the two batches");
}

#[tokio::test]
async fn a_tool_that_the_input_names_is_asked_for_and_its_result_completes() {
    let mut story = Story::begin().await;
    let tools = json!([
        { "type": "function", "name": "send_mail" },
        { "type": "function", "name": "get_weather", "parameters": { "properties": { "city": { "type": "string" } } } },
    ]);
    let asked = story.interaction(json!({ "input": "use get_weather for Paris", "tools": tools })).await;
    let id = text(&asked["id"]);
    story.pass().await;
    assert_eq!(story.told_of(&id).await, "interaction.requires_action");
    let polled = story.get(&format!("interactions/{id}?include_input=true")).await;
    let steps = polled["steps"].as_array().expect("steps");
    let call = steps.last().expect("a call");
    assert_eq!((&polled["status"], &steps[0]["type"]), (&"requires_action".into(), &"user_input".into()));
    assert_eq!((&call["type"], &call["name"]), (&"function_call".into(), &"get_weather".into()));
    assert_eq!(call["arguments"], json!({ "city": "emulated" }));

    let result = |call_id: &Value| json!([{ "type": "function_result", "call_id": call_id, "result": { "temp": 20 } }]);
    let strange = json!({ "model": "m", "previous_interaction_id": id, "input": result(&"call_other".into()) });
    assert_eq!(story.api.call("POST", "/v1/interactions", &strange).await.0, 400);
    let nobody = json!({ "model": "m", "previous_interaction_id": "v1_none", "input": result(&call["id"]) });
    assert_eq!(story.api.call("POST", "/v1/interactions", &nobody).await.0, 400);
    let follow_up = json!({ "previous_interaction_id": id, "input": result(&call["id"]), "tools": tools });
    let follow_up = story.interaction(follow_up).await;
    story.pass().await;
    assert_eq!(story.told_of(&text(&follow_up["id"])).await, "interaction.completed");

    // Without a tool there is nothing to ask for.
    let plain = story.interaction(json!({ "input": "use get_weather", "agent": "agent-test" })).await;
    story.pass().await;
    assert_eq!(story.told_of(&text(&plain["id"])).await, "interaction.completed");
}

#[tokio::test]
async fn calls_that_nobody_answers_make_way_for_new_jobs() {
    let story = Story::begin().await;
    let tools = json!([{ "type": "function", "name": "get_weather" }]);
    // Five of these are more than all jobs may take.
    let large = format!("get_weather {}", "x".repeat(3 << 20));
    for _ in 0..8 {
        let asked = json!({ "model": "m", "input": large, "tools": tools });
        let asked = story.api.ok("POST", "/v1/interactions", asked).await;
        assert_eq!(asked["status"], "requires_action");
    }
    let long_name = format!("/v1/models/{}:predictLongRunning", "m".repeat(300));
    let video = json!({ "instances": [{ "prompt": "a cat" }] });
    assert_eq!(story.api.call("POST", &long_name, &video).await.0, 400);
}

#[tokio::test]
async fn an_interaction_in_the_foreground_is_answered_at_once_and_told_nobody() {
    let story = Story::begin().await;
    story.api.register(&story.receiver.uri, &["interaction.completed"]).await;
    let answered = story.api.ok("POST", "/v1/interactions", json!({ "model": "m", "input": "hello" })).await;
    assert_eq!(answered["status"], "completed");
    assert!(text(&answered["steps"][0]["content"][0]["text"]).contains("hello"));
    story.pass().await;
    assert_eq!(story.api.emulator.totals().deliveries, 0);
}

#[tokio::test]
async fn a_batch_ends_as_its_texts_ask_for_and_polling_says_the_same() {
    let mut story = Story::begin().await;
    for (words, state, told) in [
        ("hello", "BATCH_STATE_SUCCEEDED", "batch.succeeded"),
        ("[[fail]]", "BATCH_STATE_FAILED", "batch.failed"),
        ("[[expire]]", "BATCH_STATE_EXPIRED", "batch.expired"),
    ] {
        let made = story.batch(words).await;
        let name = text(&made["name"]);
        assert_eq!((&made["metadata"]["state"], &made["done"]), (&"BATCH_STATE_PENDING".into(), &Value::Null));
        story.api.advance("1s").await;
        assert_eq!(story.get(&name).await["metadata"]["state"], "BATCH_STATE_RUNNING");
        story.pass().await;
        assert_eq!(story.told_of(&name).await, told);
        let polled = story.get(&name).await;
        assert_eq!((&polled["metadata"]["state"], &polled["done"]), (&state.into(), &true.into()));
    }
    let list = story.get("batches?pageSize=2").await;
    assert_eq!(list["operations"].as_array().map(Vec::len), Some(2));
    let rest = story.get(&format!("batches?pageToken={}", text(&list["nextPageToken"]))).await;
    let first = &rest["operations"][0];
    assert_eq!((&rest["nextPageToken"], &first["metadata"]["output"]), (&Value::Null, &Value::Null));
    let whole = story.get(&text(&first["name"])).await;
    let output = &whole["metadata"]["output"]["inlinedResponses"]["inlinedResponses"][0];
    assert_eq!(output["metadata"], json!({ "key": "r1" }));
}

#[tokio::test]
async fn a_video_is_generated_and_one_that_fails_is_told_nobody() {
    let mut story = Story::begin().await;
    let name = text(&story.video("a cat").await["name"]);
    assert_eq!(story.get(&name).await["done"], Value::Null);
    story.pass().await;
    let event = story.told().await.json();
    assert_eq!((&event["type"], &event["data"]["id"]), (&"video.generated".into(), &name.clone().into()));
    let polled = story.get(&name).await;
    let file = text(&event["data"]["file_name"]);
    let uri = text(&polled["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]);
    assert!(uri.contains(&file) && event["data"]["output_file_uri"].is_string(), "{uri} {event}");
    let failed = text(&story.video("[[fail]]").await["name"]);
    story.pass().await;
    let polled = story.get(&failed).await;
    assert_eq!((&polled["done"], &polled["error"]["code"]), (&true.into(), &13.into()));
    assert_eq!(story.api.emulator.totals().deliveries, 1);
}

#[tokio::test]
async fn jobs_can_be_cancelled_and_ended_by_hand_once() {
    let mut story = Story::begin().await;
    let id = text(&story.interaction(json!({ "input": "hello" })).await["id"]);
    let cancel = format!("/v1/interactions/{id}/cancel");
    assert_eq!(story.api.ok("POST", &cancel, Value::Null).await["status"], "cancelled");
    assert_eq!(story.told_of(&id).await, "interaction.cancelled");
    let (status, answer) = story.api.call("POST", &cancel, &Value::Null).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &"failed_precondition".into()));

    let name = text(&story.batch("hello").await["name"]);
    assert_eq!(story.api.ok("POST", &format!("/v1/{name}:cancel"), json!({})).await, json!({}));
    assert_eq!(story.told_of(&name).await, "batch.cancelled");
    for (verb, told) in [("complete", "batch.succeeded"), ("fail", "batch.failed"), ("expire", "batch.expired")] {
        let name = text(&story.batch("hello").await["name"]);
        story.api.ok("POST", &format!("/_emulator/jobs/1/{name}:{verb}"), Value::Null).await;
        assert_eq!(story.told_of(&name).await, told);
        let (status, _) = story.api.call("POST", &format!("/_emulator/jobs/1/{name}:{verb}"), &Value::Null).await;
        assert_eq!(status, 400, "a job ends once");
    }
    story.pass().await;
    let jobs = story.api.ok("GET", "/_emulator/jobs", Value::Null).await;
    assert!(
        jobs["jobs"].as_array().is_some_and(|jobs| jobs.len() == 5 && jobs.iter().all(|job| job["ends"].is_null()))
    );
    assert_eq!(story.api.emulator.totals().deliveries, 5);

    story.api.ok("DELETE", &format!("/v1/interactions/{id}"), Value::Null).await;
    story.api.ok("DELETE", &format!("/v1/{name}"), json!({})).await;
    assert_eq!(story.api.call("GET", &format!("/v1/{name}"), &Value::Null).await.0, 404);
    assert_eq!(story.api.call("GET", &format!("/v1/interactions/{id}"), &Value::Null).await.0, 404);
}

#[tokio::test]
async fn without_addresses_of_its_own_a_job_is_told_its_projects_webhooks_and_no_others() {
    let (story, others) = (Story::begin().await, Receiver::start().await);
    story.api.register(&story.receiver.uri, &["batch.succeeded"]).await;
    let webhook = json!({ "uri": others.uri, "subscribed_events": ["batch.succeeded"] }).to_string();
    story.api.call_with("POST", "/v1/webhooks", webhook, &[("x-goog-api-key", "somebody else")]).await;
    let batch = json!({ "batch": {
        "input_config": { "file_name": "files/abc" },
        "webhook_config": { "user_metadata": { "team": "blue" } },
    }});
    let name = text(&story.api.ok("POST", "/v1/models/m:batchGenerateContent", batch).await["name"]);
    story.pass().await;
    let event = story.receiver.has_seen(1).await.remove(0).json();
    assert_eq!(event["data"]["user_metadata"], json!({ "team": "blue" }));
    let polled = story.get(&name).await;
    assert!(text(&polled["metadata"]["output"]["responsesFile"]).starts_with("files/"), "{polled}");
    // Nobody sees the jobs of another project.
    let (status, _) =
        story.api.call_with("GET", &format!("/v1/{name}"), "", &[("x-goog-api-key", "somebody else")]).await;
    assert_eq!((status, story.api.emulator.totals().deliveries, others.seen().len()), (404, 1, 0));
}
