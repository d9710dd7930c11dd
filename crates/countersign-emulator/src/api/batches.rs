//! `batches`, and `models/{model}:batchGenerateContent`.

use serde_json::{Value, json};

use super::call::{self, Call, bounded, no_room};
use super::error::ApiError;
use super::fields::Fields;
use super::page::Page;
use crate::ids;
use crate::job::batch::Source;
use crate::job::{self, Batch, End, Job, Record, State, Work};
use crate::project::ProjectId;
use crate::quirk::Quirk;

/// The maximum number of inline requests.
const MAX_REQUESTS: usize = 10_000;
/// How much of a request its response quotes, in characters.
const QUOTED: usize = 100;

pub(super) fn create(call: &mut Call<'_>, project: ProjectId, model: &str) -> Result<Value, ApiError> {
    let model = bounded("model", model)?;
    let mut fields = call.fields()?;
    let batch = fields.object("batch")?;
    fields.reject_unknown()?;
    let mut batch = batch.ok_or_else(|| ApiError::invalid("batch", "the batch is missing"))?;
    let display_name = batch.string("display_name")?.unwrap_or_default();
    let webhook_config = batch.webhook_config()?;
    let has_metadata = webhook_config.as_ref().is_some_and(|config| config.user_metadata.is_some());
    if has_metadata && call.world.has(Quirk::RejectBatchUserMetadata) {
        let unknown = "Unknown name \"userMetadata\" at 'batch.webhook_config': Cannot find field.";
        return Err(ApiError::invalid("batch.webhook_config", unknown));
    }
    let input = batch.object("input_config")?;
    let mut input = input.ok_or_else(|| ApiError::invalid("batch.input_config", "the input is missing"))?;
    let (source, texts) = source(&mut input, call, project)?;
    input.reject_unknown()?;
    batch.ignore(&["name", "model", "priority", "state"]);
    batch.reject_unknown()?;

    let mut state = State::running(&texts, call.now, call.world.rules.job_time);
    if let State::Running { end, .. } = &mut state {
        if texts.contains(job::text::EXPIRE) || display_name.contains(job::text::EXPIRE) {
            *end = End::Expired;
        } else if display_name.contains(job::text::FAIL) {
            *end = End::Failed;
        }
    }
    let prefix = if call.world.has(Quirk::PrefixedIds) { "batch_" } else { "" };
    let name = format!("batches/{prefix}{}", ids::resource(&mut call.world.rng, 36));
    let job = Job {
        project,
        record: Record::new(name, call.now, state),
        size: source.memory() + call.body.len(),
        work: Work::Batch(Batch { model: model.into(), display_name, source }),
        webhook_config,
    };
    let resource = job.resource(call.now);
    if call.world.add_job(job) { Ok(resource) } else { Err(no_room()) }
}

pub(super) fn list(call: &mut Call<'_>, project: ProjectId) -> Result<Value, ApiError> {
    let page = Page::parse(&mut call.query)?;
    let jobs = call.world.jobs.newest_first(page.after.unwrap_or(u64::MAX));
    let batches = jobs.filter(|(_, job)| job.project == project && matches!(job.work, Work::Batch(_)));
    let (batches, next) = page.of(batches.map(|(number, job)| (number, job.listed(call.now))));
    let mut list = json!({ "operations": batches });
    if let Some(token) = next {
        list["nextPageToken"] = token.into();
    }
    Ok(list)
}

pub(super) fn get(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    Ok(find(call, project, &format!("batches/{id}"))?.resource(call.now))
}

/// `{id}:cancel`.
pub(super) fn verb(call: &mut Call<'_>, project: ProjectId, id_and_verb: &str) -> Result<Value, ApiError> {
    match id_and_verb.split_once(':') {
        Some((id, "cancel")) => cancel(call, project, id),
        Some((_, verb)) => Err(call::no_verb(verb)),
        None => Err(ApiError::no_post("GET,HEAD,DELETE")),
    }
}

fn cancel(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    call.fields()?.reject_unknown()?;
    let name = format!("batches/{id}");
    find(call, project, &name)?;
    if call.world.end_job(project, &name, End::Cancelled, call.now) {
        Ok(json!({}))
    } else {
        Err(ApiError::precondition("the batch has ended already"))
    }
}

pub(super) fn delete(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Value, ApiError> {
    call.fields()?.reject_unknown()?;
    let name = format!("batches/{id}");
    find(call, project, &name)?;
    call.world.jobs.remove(project, &name);
    Ok(json!({}))
}

fn find<'c>(call: &'c Call<'_>, project: ProjectId, name: &str) -> Result<&'c Job, ApiError> {
    let job = call.world.jobs.find(project, name).filter(|job| matches!(job.work, Work::Batch(_)));
    job.ok_or_else(|| ApiError::not_found(format!("this project has no batch `{name}`")))
}

/// Where the requests are, and all of their text.
fn source(input: &mut Fields, call: &Call<'_>, project: ProjectId) -> Result<(Source, String), ApiError> {
    let file = input.string("file_name")?;
    let inline = input.object("requests")?;
    match (file, inline) {
        (Some(file), None) => match call.world.uploads.find(project, &file) {
            Some(uploaded) => lines(file, &uploaded.content, input),
            None => Ok((Source::File(file), String::new())),
        },
        (None, Some(mut inline)) => {
            let path = inline.path("requests");
            let requests = inline.list("requests")?.unwrap_or_default();
            inline.reject_unknown()?;
            if requests.is_empty() || requests.len() > MAX_REQUESTS {
                return Err(ApiError::invalid(path, format!("the batch must have 1 to {MAX_REQUESTS} requests")));
            }
            let texts = job::text::all_text(&Value::Array(requests.clone()));
            let read = |request: Value| (request.get("metadata").cloned(), quoted(&request));
            Ok((Source::Inline(requests.into_iter().map(read).collect()), texts))
        }
        _ => Err(ApiError::invalid(input.path("requests"), "either `requests` or `file_name` is required")),
    }
}

/// The requests of an uploaded file: a line of JSON for each, with its key.
fn lines(name: String, content: &[u8], input: &Fields) -> Result<(Source, String), ApiError> {
    let invalid = |line: usize, problem: &str| {
        ApiError::invalid(input.path("file_name"), format!("line {line} of `{name}` {problem}"))
    };
    let text = str::from_utf8(content).map_err(|_| invalid(1, "is not UTF-8"))?;
    let (mut requests, mut texts) = (Vec::new(), String::new());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let request: Value =
            serde_json::from_str(line).map_err(|error| invalid(number, &format!("is not JSON: {error}")))?;
        if request.get("request").is_none_or(|request| !request.is_object()) {
            return Err(invalid(number, "has no `request`: write {\"key\": …, \"request\": {\"contents\": […]}}"));
        }
        if requests.len() >= MAX_REQUESTS {
            return Err(invalid(number, &format!("is beyond the {MAX_REQUESTS} requests that a batch may have")));
        }
        texts.push_str(&job::text::all_text(&request));
        let key = request.get("key").cloned().unwrap_or_else(|| format!("request-{number}").into());
        requests.push((key, quoted(&request)));
    }
    if requests.is_empty() {
        return Err(invalid(1, "is missing: the file is empty"));
    }
    Ok((Source::Lines { name, requests }, texts))
}

/// The beginning of a request's text, on one line.
fn quoted(request: &Value) -> String {
    let text = request.get("request").and_then(|request| request.get("contents")).map(job::text::all_text);
    let text = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(QUOTED).collect()
}
