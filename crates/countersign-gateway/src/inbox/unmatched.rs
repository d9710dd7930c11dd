//! Messages that matched no destination of their route when they were stored.

use countersign_inbox::worker::{Attempt, AttemptOutcome, Deliver};

use super::deliver::DeliverStored;
use super::selector::Selectors;

/// The name under which the messages of a route without a destination are stored. No destination can have it.
pub fn unmatched_of(route: &str) -> String {
    format!("unmatched:{route}")
}

/// Keeps messages without a destination as dead letters. One that is delivered again goes to the destinations that it
/// matches by then, one after the other.
pub struct Unmatched {
    selectors: Selectors,
    destinations: Vec<(String, DeliverStored)>,
}

impl Unmatched {
    /// With the present destinations of the route.
    pub fn new(selectors: Selectors, destinations: Vec<(String, DeliverStored)>) -> Self {
        Self { selectors, destinations }
    }
}

impl Deliver for Unmatched {
    async fn deliver(&self, attempt: Attempt) -> AttemptOutcome {
        let message = &attempt.message;
        let names: Vec<_> = self.selectors.of(message.event_type.as_deref(), &message.body).collect();
        let matching = self.destinations.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let mut outcome = AttemptOutcome::Hopeless { error: "no destination of the route matches".to_owned() };
        for (_, deliver) in matching {
            outcome = deliver.deliver(attempt.clone()).await;
            if outcome != AttemptOutcome::Done {
                break;
            }
        }
        outcome
    }
}
