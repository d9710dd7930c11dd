//! The services of the gateway, built from its configuration. The process serves them on its listeners; tests call them
//! without one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use countersign::clock::Clock;

use crate::admin::{Admin, Shown};
use crate::admin_access::{Access, Scope};
use crate::commands::Commands;
use crate::config::{Config, DeliverySpec};
use crate::forward::Places;
use crate::gateway::Gateway;
use crate::inbox::Destinations;
use crate::inbox_api::InboxApi;
use crate::inspect::Inspector;
use crate::ledger::Ledger;
use crate::lifecycle::Lifecycle;
use crate::log::Log;
use crate::pull_api::{PullApi, Pulled, PulledDestination};
use crate::recent::Recent;
use crate::reconcile_api;
use crate::reload::Reload;
use crate::source_keys::Awaited;
use crate::state::State;
use crate::telemetry::{Exporter, Telemetry};

/// The services of the gateway, and what their listeners need.
pub struct Services {
    /// Responds to webhooks.
    pub gateway: Gateway,
    /// Responds to health checks, scrapes and commands.
    pub admin: Router,
    /// Responds to backends that fetch their messages.
    pub pull: Router,
    /// Records requests that end before they reach the gateway.
    pub ledger: Ledger,
    /// Puts another state in the place of the one that is served.
    pub exchange: Exchange,
    /// Sends traces, if they are configured.
    pub exporter: Option<Exporter>,
}

/// Puts another state in the place of the one that is served.
pub struct Exchange {
    gateway: Gateway,
    shown: Arc<ArcSwap<Shown>>,
    scope: Arc<ArcSwap<Scope>>,
    pulled: Arc<ArcSwap<Pulled>>,
}

/// The parts of the process that the services use.
pub struct Environment<'a> {
    /// The log.
    pub log: &'a Log,
    /// The time, for the checks of timestamps, the expiry of secrets and the replay stores.
    pub clock: Arc<dyn Clock>,
    /// Whether the listeners have started, and whether the process is stopping, which `/readyz` shows.
    pub lifecycle: &'a Lifecycle,
    /// The maximum number of connections to upstreams.
    pub upstream_connections: usize,
    /// Carries out `POST /-/reload`.
    pub reload: Reload,
    /// Whether the admin listener has a loopback address.
    pub is_admin_local: bool,
}

impl Services {
    /// Builds the services around the running parts in `state`, and logs the warnings of both.
    pub fn build(config: &Config, state: &State, environment: Environment<'_>) -> Self {
        let Environment { log, clock, lifecycle, upstream_connections, reload, is_admin_local } = environment;
        for warning in config.warnings.iter().chain(&state.warnings) {
            tracing::warn!("{warning}");
        }
        let recent = config.server.inspect.map(|spec| Recent::new(spec.requests, spec.bodies));
        let ledger = Ledger::new(state.metrics.counts().clone(), log.clone(), recent.clone(), Arc::clone(&clock));
        let start = |telemetry: Telemetry| telemetry.start(state.metrics.counts().spans_dropped());
        let (tracer, exporter) = state.telemetry.clone().map(start).unzip();
        let places = Places::new(upstream_connections);
        let gateway = Gateway::new(state, &ledger, &places, tracer, Arc::clone(&clock));
        let shown = Arc::new(ArcSwap::from_pointee(shown(state, gateway.destinations(state))));
        let scope = Arc::new(ArcSwap::from_pointee(scope(state, gateway.destinations(state))));
        let pulled = Arc::new(ArcSwap::from_pointee(pulled(state)));
        let pull = PullApi::new(Arc::clone(&pulled), lifecycle.clone(), Arc::clone(&clock)).into_service();
        let exchange =
            Exchange { gateway: gateway.clone(), shown: Arc::clone(&shown), scope: Arc::clone(&scope), pulled };
        let access = Access::new(is_admin_local, scope);
        let inbox = InboxApi::new(access.clone(), Arc::clone(&clock), config.server.inbox_bodies);
        let mut commands = Commands::new(reload, access.clone()).into_router().merge(inbox.into_router());
        commands = commands.merge(reconcile_api::router(access.clone()));
        if let Some(recent) = recent {
            commands = commands.merge(Inspector::new(access, recent, Arc::clone(&clock)).into_router());
        }
        let admin = Admin::new(shown, lifecycle.clone(), clock).into_service(commands);
        Self { gateway, admin, pull, ledger, exchange, exporter }
    }
}

impl Exchange {
    /// The destinations of inboxes in `state`, which is served.
    pub fn destinations(&self, state: &State) -> Destinations {
        self.gateway.destinations(state)
    }

    /// Serves this state from the next request on. Requests in progress finish with the previous one.
    pub fn put(&self, state: &State) {
        self.gateway.replace(state);
        self.shown.store(Arc::new(shown(state, self.gateway.destinations(state))));
        self.pulled.store(Arc::new(pulled(state)));
        self.scope.store(Arc::new(scope(state, self.gateway.destinations(state))));
    }
}

fn shown(state: &State, destinations: Destinations) -> Shown {
    let awaited = state.sources.iter().filter(|(_, source)| source.depends_on_remote);
    let awaited = awaited.filter_map(|(name, source)| Some(Awaited::new(name, source.keys.remote_set()?)));
    // A destination of an inbox that cannot be reached is no reason to send messages elsewhere: they are stored.
    let direct = state.routes.iter().filter(|route| route.config.delivery == DeliverySpec::Direct);
    let routes = direct
        .flat_map(|route| route.targets.iter().map(|target| (route.config.name(), Arc::clone(&target.upstreams))));
    Shown {
        metrics: Arc::clone(&state.metrics),
        engine: state.engine.clone(),
        published: state.published.clone(),
        awaited: awaited.collect(),
        destinations,
        routes: routes.collect(),
    }
}

fn scope(state: &State, destinations: Destinations) -> Scope {
    let stores = state.sources.iter().map(|(name, source)| (name.clone(), source.store.clone()));
    Scope {
        stores: stores.collect(),
        sources: state.sources.clone(),
        inbox: state.inbox.clone(),
        destinations,
        reconcilers: state.reconcilers().into_iter().map(|one| (one.route().to_owned(), one)).collect(),
        token: state.admin_token.clone(),
    }
}

fn pulled(state: &State) -> Pulled {
    let destinations = state.routes.iter().flat_map(|route| {
        let counts = state.metrics.counts().of_inbox(&route.config.name());
        route.pulled.iter().map(move |(spec, token)| {
            let redelivery = spec.redelivery.or(route.config.redelivery).unwrap_or_default();
            let served =
                PulledDestination { token: token.clone(), schedule: redelivery.schedule(), counts: counts.clone() };
            (spec.name.clone(), served)
        })
    });
    Pulled { inbox: state.inbox.clone(), destinations: destinations.collect() }
}
