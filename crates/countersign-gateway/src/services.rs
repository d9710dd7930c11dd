//! The services of the gateway, built from its configuration. The process serves them on its listeners; tests call them
//! without one.

use std::sync::Arc;

use axum::Router;
use countersign::clock::Clock;
use countersign_tower::BodyBudget;
use http::uri::Authority;

use crate::admin::Admin;
use crate::config::Config;
use crate::forward::Places;
use crate::gateway::{Gateway, Shared};
use crate::ledger::Ledger;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::serve::Slots;
use crate::source_keys::{Awaited, RemoteSet};
use crate::starting::Starting;
use crate::state::State;
use crate::upstream::Upstreams;

/// The services of the gateway, and the parts of them that their listeners need.
pub struct Services {
    /// Responds to webhooks.
    pub gateway: Gateway,
    /// Responds to `/healthz`, `/readyz` and `/metrics`.
    pub admin: Router,
    /// Where requests are recorded that end before they reach the gateway.
    pub ledger: Ledger,
    /// Everything that `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Bounds the bytes of request heads and bodies in memory, over all routes.
    pub budget: BodyBudget,
    /// The key sets of the sources. They are fetched while they are [run](RemoteSet::run).
    pub key_sets: Vec<RemoteSet>,
}

/// The parts of the process that the services use.
pub struct Environment<'a> {
    /// The log.
    pub log: &'a Log,
    /// The time, for the checks of timestamps, the expiry of secrets and the replay stores.
    pub clock: Arc<dyn Clock>,
    /// The connections of the webhook listeners.
    pub slots: &'a Arc<Slots>,
    /// The listeners that have yet to start. The admin listener reports when all accept connections.
    pub starting: &'a Starting,
    /// The maximum number of connections to upstreams.
    pub upstream_connections: usize,
}

impl Services {
    /// Builds the services with the running parts in `state`, and logs the warnings of both. `balance` builds the
    /// upstreams of each route from their names.
    pub fn build(
        config: &Config,
        state: State,
        environment: Environment<'_>,
        balance: impl FnMut(Vec<Authority>) -> Arc<dyn Upstreams>,
    ) -> Self {
        let Environment { log, clock, slots, starting, upstream_connections } = environment;
        for warning in config.warnings.iter().chain(&state.warnings) {
            tracing::warn!("{warning}");
        }
        let budget = BodyBudget::new(config.server.body_budget);
        let mut metrics = Metrics::new(&state.sources, budget.clone(), Arc::clone(slots));
        metrics.show_log(log);
        let metrics = Arc::new(metrics);
        let ledger = Ledger::new(Arc::clone(&metrics), log.clone(), Arc::clone(&clock));
        let places = Places::new(upstream_connections);
        let shared = Shared { budget: &budget, ledger: &ledger, places: &places, clock: Arc::clone(&clock) };
        let gateway = Gateway::new(config.routes.clone(), &state.sources, &shared, balance);
        let awaited = state.sources.iter().filter(|(_, source)| source.depends_on_remote);
        let awaited = awaited.filter_map(|(name, source)| Some(Awaited::new(name, source.keys.remote_set()?)));
        let (awaited, starting) = (awaited.collect(), starting.clone());
        let admin = Admin { metrics: Arc::clone(&metrics), starting, awaited, clock }.into_service();
        Self { gateway, admin, ledger, metrics, budget, key_sets: state.key_sets }
    }
}
