//! The inbox of a route, from its configuration.

use std::sync::Arc;

use countersign::clock::Clock;
use countersign_inbox::Keep;
use countersign_inbox::worker::{SharedInbox, WorkerBuilder};

use super::deliver::DeliverStored;
use super::route_inbox::RouteInbox;
use super::unmatched::{Unmatched, unmatched_of};
use super::{Delivering, Worker};
use crate::config::Route;
use crate::forward::Forward;
use crate::metrics::InboxCounts;
use crate::rate::Limiter;
use crate::state::LiveTarget;
use crate::telemetry::Tracer;

/// How many deliveries are attempted at once.
const ATTEMPTS: usize = 64;

/// What all workers of a route share.
pub struct Shared<'a> {
    /// The inbox.
    pub inbox: SharedInbox,
    /// How long it keeps ended deliveries.
    pub keep: Keep,
    /// Traces attempts, if they are traced.
    pub tracer: Option<&'a Tracer>,
    /// The clock.
    pub clock: &'a Arc<dyn Clock>,
    /// The counters of the route.
    pub counts: InboxCounts,
}

/// The inbox of a route that sends requests to these targets, and the workers of its destinations.
pub fn of_route(route: &Route, targets: Vec<(&LiveTarget, Forward)>, shared: &Shared<'_>) -> (RouteInbox, Vec<Worker>) {
    let inbox = RouteInbox::of(route, shared.inbox.clone());
    let (mut workers, mut destinations) = (Vec::new(), Vec::new());
    if route.destinations.is_empty() {
        for (target, forward) in targets {
            let deliver = DeliverStored::new(forward, shared.tracer.cloned(), Arc::clone(shared.clock));
            workers.push(shared.worker(&target.config, route.name(), Delivering::Stored(deliver)).build());
        }
        return (inbox, workers);
    }
    for (target, forward) in targets {
        let Some(destination) = &target.destination else { continue };
        let deliver = DeliverStored::new(forward, shared.tracer.cloned(), Arc::clone(shared.clock));
        destinations.push((destination.name.clone(), deliver.clone()));
        let worker = shared.worker(&target.config, destination.name.clone(), Delivering::Stored(deliver));
        workers.push(match target.config.rate() {
            Some(rate) => worker.pace(Arc::new(Limiter::new(rate))).build(),
            None => worker.build(),
        });
    }
    let name = unmatched_of(&route.name());
    let deliver = Delivering::Unmatched(Unmatched::new(inbox.selectors.clone(), destinations));
    // Also if messages are rejected now: it delivers those that were kept before.
    workers.push(shared.worker(route, name, deliver).build());
    (inbox, workers)
}

impl Shared<'_> {
    fn worker(&self, route: &Route, name: String, deliver: Delivering) -> WorkerBuilder<Delivering> {
        let (counts, destination) = (self.counts.clone(), name.clone());
        Worker::builder(self.inbox.clone(), name, deliver)
            .schedule(route.redelivery.unwrap_or_default().schedule())
            // With `retry = "idempotent"`, two upstreams may be tried.
            .timeout(2 * route.upstream_timeout)
            .concurrency(u32::try_from(route.max_in_flight.unwrap_or(ATTEMPTS)).unwrap_or(u32::MAX))
            .keep(self.keep)
            .clock(Arc::clone(self.clock))
            .on_attempt(move |step| counts.attempted(&destination, step.name()))
    }
}
