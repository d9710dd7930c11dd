//! The inbox of a route: verified messages are stored before the sender gets 202, and delivered afterwards.
//!
//! [`Enqueue`] is the service inside the layer, in place of `Forward`. A [`Worker`] leases the deliveries of the route and
//! forwards them with [`DeliverStored`].

mod deliver;
mod enqueue;

use std::sync::Arc;

use countersign_inbox::worker::{self, SharedInbox};

pub use deliver::DeliverStored;
pub use enqueue::Enqueue;

/// Delivers the messages of one route.
pub type Worker = worker::Worker<DeliverStored>;

/// The inbox of one route, which is one destination. Clones share it.
#[derive(Clone)]
pub struct RouteInbox {
    inbox: SharedInbox,
    /// The name of the destination: that of the route.
    destination: Arc<str>,
}

impl RouteInbox {
    /// The inbox of the route with this name.
    pub fn new(inbox: SharedInbox, route: &str) -> Self {
        Self { inbox, destination: route.into() }
    }
}
