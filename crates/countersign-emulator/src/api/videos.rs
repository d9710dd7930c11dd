//! `models/{model}:predictLongRunning`, and its operations.

use serde_json::{Value, json};

use super::call::{Call, bounded, no_room};
use super::error::ApiError;
use crate::ids;
use crate::job::{self, Job, Record, State, Video, Work};
use crate::project::ProjectId;

pub(super) fn create(call: &mut Call<'_>, project: ProjectId, model: &str) -> Result<Value, ApiError> {
    let model = bounded("model", model)?;
    let mut fields = call.fields()?;
    let instances = fields.list("instances")?.unwrap_or_default();
    if instances.is_empty() {
        return Err(ApiError::invalid("instances", "at least one instance with a prompt is required"));
    }
    let webhook_config = fields.webhook_config()?;
    fields.ignore(&["parameters", "labels"]);
    fields.reject_unknown()?;

    let texts = job::text::all_text(&Value::Array(instances));
    let name = format!("models/{model}/operations/{}", ids::resource(&mut call.world.rng, 12));
    let state = State::running(&texts, call.now, call.world.rules.job_time);
    let job = Job {
        project,
        record: Record::new(name.clone(), call.now, state),
        work: Work::Video(Video { base_url: call.world.rules.base_url.clone() }),
        webhook_config,
        size: call.body.len() + name.len() * 2,
    };
    if call.world.add_job(job) { Ok(json!({ "name": name })) } else { Err(no_room()) }
}

pub(super) fn get(call: &mut Call<'_>, project: ProjectId, model: &str, id: &str) -> Result<Value, ApiError> {
    let name = format!("models/{model}/operations/{id}");
    let job = call.world.jobs.find(project, &name);
    let job = job.ok_or_else(|| ApiError::not_found(format!("this project has no operation `{name}`")))?;
    Ok(job.resource(call.now))
}
