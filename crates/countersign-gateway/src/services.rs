//! The services of the gateway, built from its configuration. The process serves them on its listeners; tests call them
//! without one.

use std::sync::Arc;

use axum::Router;
use countersign::clock::Clock;

use crate::admin::Admin;
use crate::forward::Places;
use crate::gateway::Gateway;
use crate::ledger::Ledger;
use crate::log::Log;
use crate::source_keys::Awaited;
use crate::starting::Starting;
use crate::state::State;

/// The services of the gateway, and what their listeners need.
pub struct Services {
    /// Responds to webhooks.
    pub gateway: Gateway,
    /// Responds to `/healthz`, `/readyz` and `/metrics`.
    pub admin: Router,
    /// Records requests that end before they reach the gateway.
    pub ledger: Ledger,
}

/// The parts of the process that the services use.
pub struct Environment<'a> {
    /// The log.
    pub log: &'a Log,
    /// The time, for the checks of timestamps, the expiry of secrets and the replay stores.
    pub clock: Arc<dyn Clock>,
    /// The listeners that have not started yet. The admin listener reports when all of them accept connections.
    pub starting: &'a Starting,
    /// The maximum number of connections to upstreams.
    pub upstream_connections: usize,
}

impl Services {
    /// Builds the services around the running parts in `state`.
    pub fn build(state: &State, environment: Environment<'_>) -> Self {
        let Environment { log, clock, starting, upstream_connections } = environment;
        let ledger = Ledger::new(Arc::clone(&state.metrics), log.clone(), Arc::clone(&clock));
        let gateway = Gateway::new(state, &ledger, &Places::new(upstream_connections), Arc::clone(&clock));
        let awaited = state.sources.iter().filter(|(_, source)| source.depends_on_remote);
        let awaited = awaited.filter_map(|(name, source)| Some(Awaited::new(name, source.keys.remote_set()?)));
        let (awaited, starting) = (awaited.collect(), starting.clone());
        let admin = Admin { metrics: Arc::clone(&state.metrics), starting, awaited, clock }.into_service();
        Self { gateway, admin, ledger }
    }
}
