//! Jobs that run for a while, and end with an event.

pub(crate) mod batch;
pub(crate) mod bucket;
pub(crate) mod file;
pub(crate) mod interaction;
mod mp4;
pub(crate) mod record;
pub(crate) mod text;
pub(crate) mod video;

use countersign::UnixTime;
use http::Uri;
use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::project::ProjectId;

pub(crate) use batch::Batch;
pub(crate) use interaction::Interaction;
pub(crate) use record::{End, FAILURE, Record, State};
pub(crate) use video::Video;

/// An interaction, a batch or a video.
pub(crate) struct Job {
    pub(crate) project: ProjectId,
    pub(crate) record: Record,
    pub(crate) work: Work,
    pub(crate) webhook_config: Option<WebhookConfig>,
    /// Roughly how many bytes of memory it takes.
    pub(crate) size: usize,
}

/// The kind of a job.
pub(crate) enum Work {
    Interaction(Interaction),
    Batch(Batch),
    Video(Video),
}

/// Where a job's events are delivered instead, and the metadata to return with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookConfig {
    pub(crate) uris: Vec<Uri>,
    pub(crate) user_metadata: Option<Map<String, Value>>,
}

impl Job {
    /// Ends it like this. Returns the event of that end, if there is one.
    pub(crate) fn end(&mut self, end: End, now: UnixTime) -> Option<Event> {
        self.record.state = State::Ended(end);
        self.record.updated = now;
        let event_type = self.work.event_type(end)?;
        let metadata = self.webhook_config.as_ref().and_then(|config| config.user_metadata.clone());
        Some(Event::new(event_type, now, self.work.event_data(&self.record.name, end)).with_user_metadata(metadata))
    }

    /// The resource as lists show it: without the responses of a batch, which may be many.
    pub(crate) fn listed(&self, now: UnixTime) -> Value {
        match &self.work {
            Work::Batch(batch) => batch.listed(&self.record, now),
            Work::Interaction(_) | Work::Video(_) => self.resource(now),
        }
    }

    /// The resource as the API shows it.
    pub(crate) fn resource(&self, now: UnixTime) -> Value {
        match &self.work {
            Work::Interaction(interaction) => interaction.resource(&self.record),
            Work::Batch(batch) => batch.resource(&self.record, now),
            Work::Video(video) => video.resource(&self.record),
        }
    }
}

impl Work {
    /// Whether it can end like this.
    pub(crate) fn can(&self, end: End) -> bool {
        self.event_type(end).is_some()
            || matches!(
                (self, end),
                (Self::Video(_), End::Failed | End::Cancelled)
                    | (Self::Interaction(_), End::Incomplete | End::BudgetExceeded)
            )
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
            // There is no event for a video that failed, and none is known for an interaction that is incomplete or has
            // exceeded its budget: clients have to poll.
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
