//! The inbox of a route: which of its destinations get a message.

use std::time::Duration;

use countersign_inbox::worker::SharedInbox;
use countersign_inbox::{NewMessage, StoredMessage};

use super::selector::Selectors;
use super::unmatched::unmatched_of;
use crate::config::{Route, UnmatchedSpec};

/// The inbox of one route. Clones share it.
#[derive(Clone)]
pub struct RouteInbox {
    /// The inbox of all routes.
    pub inbox: SharedInbox,
    pub(super) selectors: Selectors,
    /// Where messages are stored that match no destination. Without it, they are rejected.
    unmatched: Option<String>,
}

impl RouteInbox {
    /// An inbox with a single destination, which gets all messages.
    pub fn to(inbox: SharedInbox, destination: String) -> Self {
        Self { inbox, selectors: Selectors::all(destination), unmatched: None }
    }

    /// The part of `inbox` that belongs to this route.
    pub fn of(route: &Route, inbox: SharedInbox) -> Self {
        if route.destinations.is_empty() {
            return Self::to(inbox, route.name());
        }
        let is_kept = route.unmatched.unwrap_or_default() == UnmatchedSpec::Keep;
        let unmatched = is_kept.then(|| unmatched_of(&route.name()));
        Self { inbox, selectors: Selectors::new(&route.destinations), unmatched }
    }

    /// The message with its destinations. `None` if it matches none, and has to be rejected.
    pub fn addressed(&self, message: StoredMessage, retain: Duration) -> Option<NewMessage> {
        let destinations = self.selectors.of(message.event_type.as_deref(), &message.body);
        let mut destinations = destinations.map(str::to_owned).collect::<Vec<_>>().into_iter();
        let first = destinations.next().or_else(|| self.unmatched.clone())?;
        Some(destinations.fold(NewMessage::new(message, first, retain), NewMessage::also_to))
    }

    /// Whether both choose the same destinations.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.selectors, &self.unmatched) == (&other.selectors, &other.unmatched)
    }
}
