//! The inbox of a route: verified messages are stored before the sender gets 202, and delivered afterwards.
//!
//! [`Enqueue`] is the service inside the layer, in place of `Forward`. A [`Worker`] leases the deliveries of the route and
//! forwards them.

mod circuit;
mod enqueue;
mod pauses;
mod verdict;
mod worker;

use std::sync::Arc;

use countersign_inbox::Inbox;
use tokio::sync::Notify;

pub use enqueue::Enqueue;
pub use pauses::Pauses;
pub use worker::{Attempts, Worker};

/// The inbox of one route, which is one destination. Clones share it.
#[derive(Clone)]
pub struct RouteInbox {
    inbox: Arc<dyn Inbox>,
    /// The name of the destination: that of the route.
    destination: Arc<str>,
    /// Wakes the worker.
    stored: Arc<Notify>,
    pauses: Pauses,
}

impl RouteInbox {
    /// The inbox of the route with this name, which gets no new attempts while it is in `pauses`.
    pub fn new(inbox: Arc<dyn Inbox>, route: &str, pauses: Pauses) -> Self {
        Self { inbox, destination: route.into(), stored: Arc::default(), pauses }
    }
}
