//! `interactions`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::call::{Call, bounded, no_room};
use super::error::ApiError;
use super::fields::Fields;
use crate::ids;
use crate::job::{self, End, Interaction, Job, Record, State, Work};
use crate::project::ProjectId;

/// Fields that are accepted and have no effect on an emulated reply.
const IGNORED: [&str; 14] = [
    "agent_config",
    "automatic_continuation",
    "cached_content",
    "environment",
    "generation_config",
    "labels",
    "metadata",
    "response_format",
    "response_mime_type",
    "response_modalities",
    "safety_settings",
    "service_tier",
    "store",
    "system_instruction",
];

pub(super) fn create(call: &mut Call<'_>, project: ProjectId) -> Result<Value, ApiError> {
    let mut fields = call.fields()?;
    let of = match (fields.string("model")?, fields.string("agent")?) {
        (Some(model), None) => ("model", bounded("model", &model)?.to_owned()),
        (None, Some(agent)) => ("agent", bounded("agent", &agent)?.to_owned()),
        _ => return Err(ApiError::invalid("model", "either `model` or `agent` is required")),
    };
    let input = fields.take("input").ok_or_else(|| ApiError::invalid("input", "the input is missing"))?;
    if fields.boolean("stream")? {
        return Err(ApiError::invalid("stream", "the emulator does not stream: leave it out, or set `background`"));
    }
    let is_in_background = fields.boolean("background")?;
    let tools = fields.list("tools")?.unwrap_or_default();
    let previous = fields.string("previous_interaction_id")?;
    let shown_config = fields.take("webhook_config");
    let webhook_config = read_config(shown_config.clone())?;
    fields.ignore(&IGNORED);
    fields.reject_unknown()?;

    let input = steps(input);
    let text = job::text::all_text(&Value::Array(input.clone()));
    if let Some(previous) = &previous {
        continues(call, project, previous, &input)?;
    }
    let is_answer = input.iter().any(|step| step.get("type").and_then(Value::as_str) == Some("function_result"));
    let tool = if is_answer { None } else { wanted_tool(&tools, &text) };
    let call_id = format!("call_{}", ids::resource(&mut call.world.rng, 12));
    let takes = if is_in_background { call.world.rules.job_time } else { Duration::ZERO };
    let mut state = State::running(&text, call.now, takes);
    if let State::Running { end: end @ End::Succeeded, .. } = &mut state {
        *end = end_of(&text, tool.is_some());
    }
    // The text is stored beside the input, and the tool is part of the body.
    let size = job::text::memory(&Value::Array(input.clone())) + call.body.len() * 3;
    let interaction =
        Interaction { of, input, text, previous, call: tool.map(|tool| (call_id, tool)), webhook_config: shown_config };
    // Only background interactions have events: for the others, the response is the result.
    if let (State::Running { end, .. }, false) = (state, is_in_background) {
        state = State::Ended(end);
    }
    let name = format!("v1_{}", ids::resource(&mut call.world.rng, 32));
    let job = Job {
        project,
        record: Record::new(name, call.now, state),
        work: Work::Interaction(interaction),
        webhook_config,
        size,
    };
    let resource = job.resource(call.now);
    if call.world.add_job(job) { Ok(resource) } else { Err(no_room()) }
}

pub(super) fn get(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    if call.query.take("stream").is_some_and(|stream| stream == "true") {
        return Err(ApiError::invalid("stream", "the emulator does not stream"));
    }
    let with_input = call.query.take("include_input").is_some_and(|with| with == "true");
    let job = find(call, project, id)?;
    let mut resource = job.resource(call.now);
    if let (Work::Interaction(interaction), true) = (&job.work, with_input) {
        let given = interaction.input.iter().cloned();
        let made = resource["steps"].as_array().cloned().unwrap_or_default();
        resource["steps"] = given.chain(made).collect();
    }
    Ok(resource)
}

pub(super) fn cancel(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    call.fields()?.reject_unknown()?;
    find(call, project, id)?;
    if !call.world.end_job(project, id, End::Cancelled, call.now) {
        return Err(ApiError::precondition("the interaction has ended already"));
    }
    Ok(find(call, project, id)?.resource(call.now))
}

pub(super) fn delete(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    find(call, project, id)?;
    call.world.jobs.remove(project, id);
    Ok(json!({}))
}

fn find<'c>(call: &'c Call<'_>, project: ProjectId, id: &str) -> Result<&'c Job, ApiError> {
    let job = call.world.jobs.find(project, id).filter(|job| matches!(job.work, Work::Interaction(_)));
    job.ok_or_else(|| ApiError::not_found(format!("this project has no interaction `{id}`")))
}

fn read_config(config: Option<Value>) -> Result<Option<job::WebhookConfig>, ApiError> {
    let Some(config) = config else { return Ok(None) };
    Fields::of(Map::from_iter([("webhook_config".to_owned(), config)])).webhook_config()
}

/// The input as steps: it may be a string, a content, a step, or a list of these.
fn steps(input: Value) -> Vec<Value> {
    let said = |content: Value| json!({ "type": "user_input", "content": [content] });
    let step = |value: Value| match value.get("type").and_then(Value::as_str) {
        Some("text" | "image" | "audio" | "video" | "document") => said(value),
        _ => value,
    };
    match input {
        Value::String(text) => vec![said(json!({ "type": "text", "text": text }))],
        Value::Array(values) => values.into_iter().map(step).collect(),
        other => vec![step(other)],
    }
}

/// Checks that the function results of a follow-up belong to the previous interaction's call.
fn continues(call: &Call<'_>, project: ProjectId, previous: &str, input: &[Value]) -> Result<(), ApiError> {
    let job = call.world.jobs.find(project, previous);
    let Some(Work::Interaction(interaction)) = job.map(|job| &job.work) else {
        let description = format!("this project has no interaction `{previous}`");
        return Err(ApiError::invalid("previous_interaction_id", description));
    };
    let open = interaction.call.as_ref().map(|(id, _)| id.as_str());
    let given = input.iter().filter(|step| step.get("type").and_then(Value::as_str) == Some("function_result"));
    for step in given {
        let id = step.get("call_id").and_then(Value::as_str);
        if id.is_none() || id != open {
            let asked =
                open.map_or_else(|| "it has asked for none".to_owned(), |open| format!("it asked for `{open}`"));
            return Err(ApiError::invalid("input", format!("the result is of a call that was not asked for: {asked}")));
        }
    }
    Ok(())
}

/// The tool that the input asks for: the first whose name is part of its text.
fn wanted_tool(tools: &[Value], text: &str) -> Option<Map<String, Value>> {
    let declared = tools.iter().filter_map(Value::as_object);
    let named = |tool: &&Map<String, Value>| {
        tool.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty() && text.contains(name))
    };
    declared.filter(|tool| tool.get("type").and_then(Value::as_str) == Some("function")).find(named).cloned()
}

/// How an interaction ends that is not asked to fail.
fn end_of(text: &str, wants_tool: bool) -> End {
    if text.contains(job::text::INCOMPLETE) {
        End::Incomplete
    } else if text.contains(job::text::EXCEED_BUDGET) {
        End::BudgetExceeded
    } else if wants_tool {
        End::RequiresAction
    } else {
        End::Succeeded
    }
}
