//! Registered webhooks.

use serde_json::Value;

use crate::json::text;

/// A webhook that is registered for the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Where it is delivered.
    pub uri: String,
    /// Whether events are delivered.
    pub state: WebhookState,
    /// The event types that it is for.
    pub subscribed_events: Vec<String>,
}

/// Whether events are delivered to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookState {
    /// They are.
    Enabled,
    /// Somebody has disabled it.
    Disabled,
    /// The sender has disabled it because too many deliveries failed.
    DisabledDueToFailedDeliveries,
    /// Another state, as the API writes it.
    Other(String),
}

impl WebhookState {
    fn read(state: &str) -> Self {
        let states = [Self::Enabled, Self::Disabled, Self::DisabledDueToFailedDeliveries];
        let known = states.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(state));
        known.unwrap_or_else(|| Self::Other(state.to_owned()))
    }

    /// The state, as the API writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::DisabledDueToFailedDeliveries => "disabled_due_to_failed_deliveries",
            Self::Other(state) => state,
        }
    }
}

impl Webhook {
    pub(crate) fn read(resource: &Value) -> Option<Self> {
        let events = resource.get("subscribed_events").and_then(Value::as_array);
        let name = |event: &Value| event.as_str().map(str::to_owned);
        let id = text(resource, &["id"])?;
        // It becomes part of a path.
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return None;
        }
        Some(Self {
            id: id.to_owned(),
            uri: text(resource, &["uri"]).unwrap_or_default().to_owned(),
            state: WebhookState::read(text(resource, &["state"]).unwrap_or_default()),
            subscribed_events: events.into_iter().flatten().filter_map(name).collect(),
        })
    }
}
