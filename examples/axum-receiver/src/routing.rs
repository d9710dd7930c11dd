//! Routes events by `user_metadata`, which the sender returns unchanged from the original request.

use countersign::gemini::Event;
use serde_json::Value;

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

impl Route {
    /// Selects the action by `user_metadata.task`. Without a task, or with an unknown one, people are notified,
    /// so that a misspelling does not lose an event.
    pub(crate) fn of(event: &Event) -> Self {
        let metadata = event.user_metadata.as_ref();
        let task = metadata.and_then(|metadata| metadata.get("task")).and_then(Value::as_str);
        Self::from_name(task.unwrap_or_default())
    }

    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "import" => Self::Import,
            "keep" => Self::Keep,
            _ => Self::Announce,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Keep => "keep",
            Self::Announce => "announce",
        }
    }
}
