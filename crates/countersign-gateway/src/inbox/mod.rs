//! The inbox of a route: verified messages are stored before the sender gets 202, and delivered afterwards.
//!
//! [`Enqueue`] is the service inside the layer, in place of `Forward`. It stores a message for each of the destinations
//! that [`Selectors`] chooses. The [`Worker`] of a destination leases its deliveries and forwards them with [`DeliverStored`].

mod build;
mod deliver;
mod enqueue;
mod metadata;
mod overview;
mod route_inbox;
mod selector;
mod unmatched;

use countersign_inbox::worker;

pub use build::{Shared, of_route};
pub use deliver::DeliverStored;
pub use enqueue::Enqueue;
pub use overview::{Overview, overview, warning};
pub use route_inbox::RouteInbox;
pub use selector::Selectors;
pub use unmatched::{Unmatched, unmatched_of};

/// Delivers the messages of one destination.
pub type Worker = worker::Worker<Delivering>;

/// What a worker does with a message.
pub enum Delivering {
    /// It is sent to the backends of the destination.
    Stored(DeliverStored),
    /// It had no destination when it was stored.
    Unmatched(Unmatched),
}

impl worker::Deliver for Delivering {
    async fn deliver(&self, attempt: worker::Attempt) -> worker::AttemptOutcome {
        match self {
            Self::Stored(deliver) => deliver.deliver(attempt).await,
            // Rarely used, and boxed, so that the future of most attempts has no room for it.
            Self::Unmatched(deliver) => Box::pin(deliver.deliver(attempt)).await,
        }
    }
}

/// The destinations of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// Deliver messages.
    pub workers: Vec<Worker>,
    /// The names of those whose backends fetch their messages.
    pub pulled: Vec<String>,
}
