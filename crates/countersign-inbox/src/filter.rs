//! Which deliveries are listed, and which are kept.

use std::time::Duration;

use countersign::UnixTime;

use crate::delivery::{DeliveryId, State};

/// Selects deliveries. Each field that is set must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The state.
    pub state: Option<State>,
    /// The destination.
    pub destination: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// The message id.
    pub message_id: Option<String>,
    /// The event type.
    pub event_type: Option<String>,
    /// Only messages that were received at this time or later.
    pub received_from: Option<UnixTime>,
    /// Only messages that were received before this time.
    pub received_before: Option<UnixTime>,
    /// Only deliveries older than this one: the last delivery of the page before.
    pub older_than: Option<DeliveryId>,
    /// The maximum number of deliveries. Default: 100.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            state: None,
            destination: None,
            source: None,
            message_id: None,
            event_type: None,
            received_from: None,
            received_before: None,
            older_than: None,
            limit: 100,
        }
    }
}

/// How long ended deliveries are kept, counted from their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Deliveries that are done. Default: 7 days.
    pub done: Duration,
    /// Dead letters. Default: 30 days.
    pub dead: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { done: Duration::from_secs(7 * 86_400), dead: Duration::from_secs(30 * 86_400) }
    }
}
