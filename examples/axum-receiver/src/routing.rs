//! Routes by `user_metadata`: what a request asked to have returned with its events says what they are for.

use countersign::Event;
use serde_json::Value;

/// What is done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Its results are to be imported.
    Import,
    /// It is kept, and that is all.
    Keep,
    /// People are told.
    Announce,
}

impl Route {
    /// Where `user_metadata.task` sends it. What names no task, or one that nobody knows, is told to people:
    /// better than to lose it over a spelling.
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
