//! The parts of an event that the work needs.

use countersign_inbox::StoredMessage;
use serde_json::Value;

/// An event in the inbox. Only verified events get there.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) source: String,
    pub(crate) message_id: String,
    pub(crate) event_type: String,
    /// The batch, interaction or video.
    pub(crate) subject: Option<String>,
    /// The location of the results.
    pub(crate) results: Option<String>,
    /// The error, if the job failed.
    pub(crate) problem: Option<String>,
    pub(crate) route: Route,
}

/// The action for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Import its results.
    Import,
    /// Keep it, and do nothing else.
    Keep,
    /// Notify people.
    Announce,
}

impl Task {
    /// Reads a stored message. `None` if it is not an event: the body of a ping, for example, is not documented.
    pub(crate) fn read(message: &StoredMessage) -> Option<Self> {
        let event_type = message.event_type.clone()?;
        let body: Value = serde_json::from_slice(&message.body).ok()?;
        let data = body.get("data").unwrap_or(&Value::Null);
        let text = |names: &[&str]| names.iter().find_map(|name| data.get(name)?.as_str()).map(str::to_owned);
        Some(Self {
            source: message.key.source().to_owned(),
            message_id: message.key.message_id().as_str().to_owned(),
            event_type,
            subject: text(&["id"]),
            results: text(&["output_file_uri", "video_uri"]),
            problem: text(&["error_message", "error_code"]),
            route: Route::of(&body, data),
        })
    }
}

impl Route {
    /// Selects the action by `user_metadata.task`, which the sender returns unchanged from the original request. Without a
    /// task, or with an unknown one, people are notified, so that a misspelling does not lose an event.
    fn of(body: &Value, data: &Value) -> Self {
        let metadata = body.get("user_metadata").or_else(|| data.get("user_metadata"));
        match metadata.and_then(|metadata| metadata.get("task")).and_then(Value::as_str) {
            Some("import") => Self::Import,
            Some("keep") => Self::Keep,
            _ => Self::Announce,
        }
    }
}
