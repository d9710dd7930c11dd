//! Jobs that take their time, and whose end is an event.

pub(crate) mod batch;
pub(crate) mod interaction;
pub(crate) mod video;

use std::time::Duration;

use countersign::UnixTime;
use http::Uri;
use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::project::ProjectId;

pub(crate) use batch::Batch;
pub(crate) use interaction::Interaction;
pub(crate) use video::Video;

/// A request that has this in one of its texts fails.
pub(crate) const FAIL: &str = "[[fail]]";
/// A batch that has this in one of its texts, or in its name, is not done in time.
pub(crate) const EXPIRE: &str = "[[expire]]";

/// An interaction, a batch or a video.
pub(crate) struct Job {
    pub(crate) project: ProjectId,
    /// What it is asked for by: an interaction's id, `batches/…`, `models/…/operations/…`.
    pub(crate) name: String,
    pub(crate) created: UnixTime,
    pub(crate) updated: UnixTime,
    pub(crate) state: State,
    pub(crate) work: Work,
    pub(crate) webhook_config: Option<WebhookConfig>,
    /// How many bytes of memory it is reckoned with.
    pub(crate) size: usize,
}

/// What is worked on.
pub(crate) enum Work {
    Interaction(Interaction),
    Batch(Batch),
    Video(Video),
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It comes to `end` then.
    Running { until: UnixTime, end: End },
    /// It has come to this.
    Ended(End),
}

/// What a job comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    RequiresAction,
    Failed,
    Cancelled,
    Expired,
}

impl End {
    /// Reads what `/_emulator` calls it.
    pub(crate) fn parse(verb: &str) -> Option<Self> {
        Some(match verb {
            "complete" => Self::Succeeded,
            "require_action" => Self::RequiresAction,
            "fail" => Self::Failed,
            "cancel" => Self::Cancelled,
            "expire" => Self::Expired,
            _ => return None,
        })
    }
}

/// Where a job's events go instead, and what comes back with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookConfig {
    pub(crate) uris: Vec<Uri>,
    pub(crate) user_metadata: Option<Map<String, Value>>,
}

impl Job {
    /// Whether it can still change.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Ended(End::RequiresAction))
    }

    pub(crate) fn due(&self) -> Option<UnixTime> {
        match self.state {
            State::Running { until, .. } => Some(until),
            State::Ended(_) => None,
        }
    }

    /// Comes to this end, and says so; `None` if nobody is told of such an end.
    pub(crate) fn end(&mut self, end: End, now: UnixTime) -> Option<Event> {
        self.state = State::Ended(end);
        self.updated = now;
        let event_type = self.work.event_type(end)?;
        let metadata = self.webhook_config.as_ref().and_then(|config| config.user_metadata.clone());
        Some(Event::new(event_type, now, self.work.event_data(&self.name, end)).with_user_metadata(metadata))
    }

    /// The resource as lists show it: without the answers of a batch, which may be many.
    pub(crate) fn listed(&self, now: UnixTime) -> Value {
        match &self.work {
            Work::Batch(batch) => batch.listed(self, now),
            Work::Interaction(_) | Work::Video(_) => self.resource(now),
        }
    }

    /// The resource as the API shows it.
    pub(crate) fn resource(&self, now: UnixTime) -> Value {
        match &self.work {
            Work::Interaction(interaction) => interaction.resource(self),
            Work::Batch(batch) => batch.resource(self, now),
            Work::Video(video) => video.resource(self),
        }
    }
}

impl Work {
    /// Whether it can come to this end.
    pub(crate) fn can(&self, end: End) -> bool {
        self.event_type(end).is_some() || matches!((self, end), (Self::Video(_), End::Failed | End::Cancelled))
    }

    fn event_type(&self, end: End) -> Option<&'static str> {
        Some(match (self, end) {
            (Self::Interaction(_), End::Succeeded) => "interaction.completed",
            (Self::Interaction(interaction), End::RequiresAction) if interaction.has_tool() => {
                "interaction.requires_action"
            }
            (Self::Interaction(_), End::Failed) => "interaction.failed",
            (Self::Interaction(_), End::Cancelled) => "interaction.cancelled",
            (Self::Batch(_), End::Succeeded) => "batch.succeeded",
            (Self::Batch(_), End::Failed) => "batch.failed",
            (Self::Batch(_), End::Cancelled) => "batch.cancelled",
            (Self::Batch(_), End::Expired) => "batch.expired",
            (Self::Video(_), End::Succeeded) => "video.generated",
            // There is no event of a video that failed: whoever waits for it has to poll.
            (Self::Interaction(_) | Self::Batch(_) | Self::Video(_), _) => return None,
        })
    }

    fn event_data(&self, name: &str, end: End) -> Value {
        let mut data = json!({ "id": name });
        match (self, end) {
            (Self::Batch(_), End::Succeeded) => data["output_file_uri"] = batch::output_uri(name).into(),
            (Self::Video(_), End::Succeeded) => {
                data["output_file_uri"] = video::output_uri(name).into();
                data["file_name"] = video::file_name(name).into();
            }
            (_, End::Failed) => {
                data["error_code"] = "INTERNAL".into();
                data["error_message"] = FAILURE.into();
            }
            _ => {}
        }
        data
    }
}

/// What a job that was asked to fail says.
pub(crate) const FAILURE: &str = "the job was asked to fail";

/// What a job is asked for in words: the end that its texts ask for, after `duration`.
pub(crate) fn running(texts: &str, now: UnixTime, duration: Duration) -> State {
    let end = if texts.contains(FAIL) { End::Failed } else { End::Succeeded };
    State::Running { until: now.saturating_add(duration), end }
}

/// What is said in a request, wherever it stands: the texts of contents, prompts, and the results of tools. What
/// labels them, a role or a type, is not said.
pub(crate) fn said(value: &Value) -> String {
    fn collect(value: &Value, is_said: bool, said: &mut String) {
        match value {
            Value::String(text) if is_said => {
                said.push_str(text);
                said.push('\n');
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, is_said, said)),
            Value::Object(members) => {
                for (name, value) in members {
                    let is_said = match (name.as_str(), value) {
                        ("text" | "prompt", Value::String(_)) | ("result", _) => true,
                        // The contents that a tool gives have types as all contents have.
                        ("type", _) => false,
                        _ => is_said,
                    };
                    collect(value, is_said, said);
                }
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut all = String::new();
    collect(value, false, &mut all);
    all
}

/// What a value takes of memory, in bytes, by and large.
pub(crate) fn memory(value: &Value) -> usize {
    const NODE: usize = 96;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(memory).sum(),
        // A map has room for more members than it has.
        Value::Object(members) => {
            NODE * 8 + members.iter().map(|(name, value)| name.len() + memory(value)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// The last part of a resource's name.
pub(crate) fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_leaves_out_what_labels_it() {
        let contents = json!([{ "role": "user", "parts": [{ "text": "Say" }, { "text": "hello." }] }]);
        assert_eq!(said(&contents), "Say\nhello.\n");
        let steps = json!([
            { "type": "user_input", "content": [{ "type": "text", "text": "Look." }] },
            { "type": "function_result", "call_id": "call_1", "name": "look", "result": { "sky": ["clear"], "temp": 20 } },
            { "type": "function_result", "call_id": "call_2", "name": "look", "result": [{ "type": "text", "text": "20" }] },
            { "type": "function_result", "call_id": "call_3", "name": "look", "result": "dark" },
        ]);
        assert_eq!(said(&steps), "Look.\nclear\n20\ndark\n");
        assert_eq!(said(&json!([{ "prompt": "A cat.", "image": { "mimeType": "image/png" } }])), "A cat.\n");
        // A schema may have a property of that name.
        assert_eq!(said(&json!({ "properties": { "text": { "type": "string" } } })), "");
    }
}
