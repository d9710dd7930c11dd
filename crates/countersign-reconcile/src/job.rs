//! Jobs as the API describes them.

use std::fmt;
use std::str::FromStr;

use countersign::UnixTime;
use countersign::gemini::EventKind;
use serde_json::{Map, Value, json};

use crate::json::{member, object, text, time};

/// The longest id of a job. It becomes part of a message id.
const MAX_ID: usize = 128;
const CONFIG: [&str; 2] = ["webhook_config", "webhookConfig"];

/// The name of a job: `batches/ID`, `models/MODEL/operations/ID` for a video, or the id of an interaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobName(String);

/// A text is not the name of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a job: write `batches/ID`, `models/MODEL/operations/ID` or the id of an interaction")]
pub struct JobNameError;

impl JobName {
    /// The name as the API writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the name. Deliveries write the id of a job with or without the part before it.
    pub fn id(&self) -> &str {
        last(&self.0)
    }

    /// The kind of the job: `batch`, `video` or `interaction`, as event types begin.
    pub fn family(&self) -> &'static str {
        match self.0.split('/').next() {
            Some("batches") => "batch",
            Some("models") => "video",
            _ => "interaction",
        }
    }

    /// Where the API has it, below the version.
    pub(crate) fn path(&self) -> String {
        if self.family() == "interaction" { format!("interactions/{}", self.id()) } else { self.0.clone() }
    }
}

impl FromStr for JobName {
    type Err = JobNameError;

    fn from_str(name: &str) -> Result<Self, JobNameError> {
        let parts: Vec<_> = name.split('/').collect();
        let is_known = matches!(*parts, [_] | ["batches" | "interactions", _] | ["models", _, "operations", _]);
        let is_id = |part: &&str| !part.is_empty() && part.len() <= MAX_ID && part.bytes().all(is_id_byte);
        // A model has dots in its name, and an id has none: it becomes part of a message id.
        let is_part = |part: &&str| is_id(&part.replace('.', "-").as_str()) && !part.starts_with('.');
        let all = parts.iter().all(is_part) && is_id(&last(name));
        (is_known && all)
            .then(|| Self(name.strip_prefix("interactions/").unwrap_or(name).to_owned()))
            .ok_or(JobNameError)
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The last part of a name.
pub(crate) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// How it ended, or that it waits for its caller. `None` while it is running.
    pub end: Option<End>,
    /// When it was created, if the API says so.
    pub created: Option<UnixTime>,
    /// The metadata that the caller attached to the request, if the API shows it.
    pub user_metadata: Option<Map<String, Value>>,
}

/// The end of a job, or a stop that requires action.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The event about it. `None` if no event is known for such an end.
    pub kind: Option<EventKind>,
    /// The state, as the API writes it.
    pub state: String,
    /// When it ended. `None` if the API does not say so.
    pub at: Option<UnixTime>,
    /// The `data` of the event, without the id.
    pub(crate) data: Map<String, Value>,
}

impl Job {
    /// Reads a batch, as it is listed and as it is shown: an operation with metadata.
    pub(crate) fn batch(resource: &Value) -> Option<Self> {
        let metadata = member(resource, &["metadata"]).unwrap_or(resource);
        let name = text(resource, &["name"]).or_else(|| text(metadata, &["name"]))?.parse().ok()?;
        let state = text(metadata, &["state"]).unwrap_or_default();
        let kind = match state.rsplit('_').next()? {
            "SUCCEEDED" => Some(EventKind::BatchSucceeded),
            "FAILED" => Some(EventKind::BatchFailed),
            "CANCELLED" => Some(EventKind::BatchCancelled),
            "EXPIRED" => Some(EventKind::BatchExpired),
            _ => None,
        };
        let mut data = Map::new();
        if let Some(output) = member(metadata, &["output"]).or_else(|| member(resource, &["response"])) {
            data.extend(text(output, &["responsesFile"]).map(|file| ("file_name".to_owned(), file.into())));
        }
        data.extend(error(resource).filter(|_| kind == Some(EventKind::BatchFailed)).into_iter().flatten());
        let at = time(metadata, &["endTime", "end_time"]).or_else(|| time(metadata, &["updateTime", "update_time"]));
        let end = kind.map(|kind| End { kind: Some(kind), state: state.to_owned(), at, data });
        let created = time(metadata, &["createTime", "create_time"]);
        Some(Self { name, end, created, user_metadata: user_metadata(metadata) })
    }

    /// Reads an interaction.
    pub(crate) fn interaction(resource: &Value) -> Option<Self> {
        let name = text(resource, &["id"])?.parse().ok()?;
        let state = text(resource, &["status"])?;
        let kind = match state {
            "completed" => Some(EventKind::InteractionCompleted),
            "requires_action" => Some(EventKind::InteractionRequiresAction),
            "failed" => Some(EventKind::InteractionFailed),
            "cancelled" => Some(EventKind::InteractionCancelled),
            _ => None,
        };
        let is_over = kind.is_some() || matches!(state, "incomplete" | "budget_exceeded");
        let data = member(resource, &["errors"]).and_then(|errors| errors.get(0)).map(error_data).unwrap_or_default();
        let end = is_over.then(|| End { kind, state: state.to_owned(), at: time(resource, &["updated"]), data });
        Some(Self { name, end, created: time(resource, &["created"]), user_metadata: user_metadata(resource) })
    }

    /// Reads the operation of a video.
    pub(crate) fn video(resource: &Value) -> Option<Self> {
        let name = text(resource, &["name"])?.parse().ok()?;
        let metadata = member(resource, &["metadata"]).unwrap_or(&Value::Null);
        let is_done = member(resource, &["done"]).and_then(Value::as_bool).unwrap_or(false);
        let (kind, state, data) = match object(resource, &["error"]) {
            Some(_) => (None, "failed", error(resource).unwrap_or_default()),
            None => (Some(EventKind::VideoGenerated), "succeeded", video_data(resource)),
        };
        let at = time(metadata, &["endTime", "updateTime"]);
        let end = is_done.then(|| End { kind, state: state.to_owned(), at, data });
        Some(Self { name, end, created: time(metadata, &["createTime"]), user_metadata: user_metadata(metadata) })
    }
}

/// Where the video is, if the operation says so.
fn video_data(resource: &Value) -> Map<String, Value> {
    let response = member(resource, &["response"]).unwrap_or(&Value::Null);
    let response = member(response, &["generateVideoResponse"]).unwrap_or(response);
    let samples = member(response, &["generatedSamples", "generatedVideos"]);
    let uri = samples.and_then(|samples| text(samples.get(0)?.get("video")?, &["uri"]));
    uri.map(|uri| ("video_uri".to_owned(), uri.into())).into_iter().collect()
}

fn error(resource: &Value) -> Option<Map<String, Value>> {
    object(resource, &["error"])?;
    resource.get("error").map(error_data)
}

fn error_data(error: &Value) -> Map<String, Value> {
    let code = member(error, &["code"]).map(|code| match code {
        Value::String(code) => code.clone(),
        other => other.to_string(),
    });
    let message = text(error, &["message"]).map(str::to_owned);
    let named = [("error_code", code), ("error_message", message)];
    named.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect()
}

fn user_metadata(resource: &Value) -> Option<Map<String, Value>> {
    object(member(resource, &CONFIG)?, &["user_metadata", "userMetadata"]).cloned()
}

/// The event data of a job with this end.
pub(crate) fn event_data(job: &Job, end: &End) -> Value {
    let mut data = json!({ "id": job.name.as_str() });
    if let Some(object) = data.as_object_mut() {
        object.extend(end.data.clone());
        object.extend(job.user_metadata.clone().map(|metadata| ("user_metadata".to_owned(), metadata.into())));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> JobName {
        text.parse().expect("a name")
    }

    #[test]
    fn names_are_those_of_the_api_and_nothing_else() {
        for (text, family, path) in [
            ("batches/batch_1", "batch", "batches/batch_1"),
            ("v1_ChdXS", "interaction", "interactions/v1_ChdXS"),
            ("interactions/abc", "interaction", "interactions/abc"),
            ("models/veo-3.1/operations/x1", "video", "models/veo-3.1/operations/x1"),
        ] {
            assert_eq!((name(text).family(), &*name(text).path()), (family, path));
        }
        for text in [
            "",
            "batches/",
            "batches/a.b",
            "batches/../webhooks",
            "models/../operations/x",
            "a?b",
            "a b",
            "files/x",
            "é",
        ] {
            assert_eq!(text.parse::<JobName>(), Err(JobNameError), "{text}");
        }
        assert!("x".repeat(MAX_ID + 1).parse::<JobName>().is_err());
    }

    #[test]
    fn a_batch_says_how_and_when_it_ended() {
        let resource = json!({
            "name": "batches/b1", "done": true, "error": { "code": 13, "message": "it failed" },
            "metadata": {
                "state": "BATCH_STATE_FAILED", "createTime": "2026-01-22T11:00:00Z", "endTime": "2026-01-22T12:00:00.5Z",
                "webhookConfig": { "userMetadata": { "group": "nightly" } },
            },
        });
        let job = Job::batch(&resource).expect("a batch");
        let end = job.end.as_ref().expect("it has ended");
        assert_eq!(
            (end.kind, end.at.map(UnixTime::as_millis)),
            (Some(EventKind::BatchFailed), Some(1_769_083_200_500))
        );
        let expected = json!({
            "id": "batches/b1", "error_code": "13", "error_message": "it failed", "user_metadata": { "group": "nightly" },
        });
        assert_eq!(event_data(&job, end), expected);
        for state in ["BATCH_STATE_RUNNING", "BATCH_STATE_PENDING", "JOB_STATE_UNSPECIFIED", ""] {
            let job = Job::batch(&json!({ "name": "batches/b1", "metadata": { "state": state } }));
            assert_eq!(job.expect("a batch").end, None, "{state}");
        }
    }

    #[test]
    fn interactions_and_videos_may_end_without_an_event() {
        let kind = |status: &str| {
            let resource = json!({ "id": "i1", "status": status, "updated": "2026-01-22T12:00:00Z" });
            Job::interaction(&resource).expect("an interaction").end.map(|end| end.kind)
        };
        assert_eq!(kind("in_progress"), None);
        assert_eq!(kind("completed"), Some(Some(EventKind::InteractionCompleted)));
        assert_eq!((kind("incomplete"), kind("budget_exceeded")), (Some(None), Some(None)));
        let name = "models/m/operations/o";
        let video = json!({ "name": name, "done": true, "response": { "generateVideoResponse": {
            "generatedSamples": [{ "video": { "uri": "https://example.com/v" } }] } } });
        let job = Job::video(&video).expect("a video");
        let end = job.end.as_ref().expect("it has ended");
        assert_eq!(event_data(&job, end), json!({ "id": name, "video_uri": "https://example.com/v" }));
        let failed = Job::video(&json!({ "name": name, "done": true, "error": { "code": 3 } }));
        assert_eq!(failed.expect("a video").end.expect("an end").kind, None);
        assert_eq!(Job::video(&json!({ "name": name })).expect("a video").end, None);
    }
}
