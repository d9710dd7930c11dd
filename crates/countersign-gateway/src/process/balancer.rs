//! Load balancing with Pingora: resolves upstream names, checks health, and selects backends in turn.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::uri::Authority;
use pingora_core::ErrorType;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::prelude::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::follow::follow;
use crate::state::LiveRoute;
use crate::upstream::{Upstream, Upstreams};

/// The interval at which names are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// The maximum time that startup waits for name resolution.
const FIRST_RESOLVE: Duration = Duration::from_secs(5);
/// The interval of health checks of each backend, for routes with several backends.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// The maximum time for a backend to accept the connection of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// Limits the search for a healthy backend. No route has this many.
const MAX_SEARCH: usize = 64;

/// The backends of one route, resolved and checked by Pingora.
pub(super) struct Balancer {
    balancer: LoadBalancer<RoundRobin>,
}

impl Balancer {
    /// The backends with these names.
    pub(super) fn new(authorities: impl IntoIterator<Item = Authority>) -> Arc<Self> {
        let names = Names::new(authorities);
        let count = names.0.len();
        let mut backends = Backends::new(Box::new(names));
        // A single backend is always tried, so a health check has no benefit.
        if count > 1 {
            backends.set_health_check(Box::new(Probe));
        }
        let mut balancer = LoadBalancer::from_backends(backends);
        balancer.update_frequency = Some(RESOLVE_EVERY);
        balancer.health_check_frequency = (count > 1).then_some(CHECK_EVERY);
        Arc::new(Self { balancer })
    }
}

impl Upstreams for Balancer {
    fn count(&self) -> usize {
        self.balancer.backends().get_backend().len()
    }

    fn next(&self, tried: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
        let known = |backend: &Backend| backend.ext.get::<Arc<Upstream>>().cloned();
        // A single backend needs no selection.
        let all = self.balancer.backends().get_backend();
        if let (Some(only), 1) = (all.first(), all.len()) {
            return known(only);
        }
        let is_new = |backend: &Backend| {
            tried.is_empty() || known(backend).is_some_and(|new| tried.iter().all(|old| old.address != new.address))
        };
        let healthy = self.balancer.select_with(b"", MAX_SEARCH, |backend, healthy| healthy && is_new(backend));
        let any = || self.balancer.select_with(b"", MAX_SEARCH, |backend, _| is_new(backend));
        known(&healthy.or_else(any)?)
    }
}

/// The balancers that are the upstreams of a route.
pub(super) fn in_use(known: impl IntoIterator<Item = Arc<Balancer>>, routes: &[LiveRoute]) -> Vec<Arc<Balancer>> {
    let is_used = |balancer: &Arc<Balancer>| {
        routes.iter().any(|route| std::ptr::addr_eq(Arc::as_ptr(&route.upstreams), Arc::as_ptr(balancer)))
    };
    known.into_iter().filter(is_used).collect()
}

/// Resolves the upstream names of all routes for the first time, within a time limit.
pub(super) async fn resolve(all: &[Arc<Balancer>]) {
    let resolving = async {
        for upstreams in all {
            if let Err(error) = upstreams.balancer.update().await {
                tracing::warn!(%error, "the upstreams of a route cannot be resolved");
            }
        }
    };
    if tokio::time::timeout(FIRST_RESOLVE, resolving).await.is_err() {
        tracing::warn!("some upstream names were not resolved within {FIRST_RESOLVE:?}; starting without them");
    }
}

/// Keeps the backends of all routes up to date, on one runtime.
pub(super) struct Watch(pub(super) watch::Receiver<Vec<Arc<Balancer>>>);

#[async_trait]
impl BackgroundService for Watch {
    async fn start(&self, shutdown: ShutdownWatch) {
        let task = move |upstreams: Arc<Balancer>| {
            let shutdown = shutdown.clone();
            async move { upstreams.balancer.start(shutdown).await }
        };
        follow(self.0.clone(), Arc::ptr_eq, task).await;
    }
}

/// Checks whether a backend accepts connections. Pingora logs each change of the result, with the summary.
struct Probe;

#[async_trait]
impl HealthCheck for Probe {
    async fn check(&self, target: &Backend) -> pingora_core::Result<()> {
        let Some(upstream) = target.ext.get::<Arc<Upstream>>() else { return Ok(()) };
        let problem = match tokio::time::timeout(CHECK_TIMEOUT, TcpStream::connect(upstream.address)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no connection within {CHECK_TIMEOUT:?}"),
        };
        pingora_core::Error::e_explain(ErrorType::ConnectError, problem)
    }

    fn health_threshold(&self, _: bool) -> usize {
        1
    }

    fn backend_summary(&self, target: &Backend) -> String {
        match target.ext.get::<Arc<Upstream>>() {
            Some(upstream) => format!("the upstream {} at {}", upstream.name(), upstream.address),
            None => format!("an upstream at {}", target.addr),
        }
    }
}

/// Names resolved by the operating system, each with its most recent addresses, which stay in use while
/// resolution fails.
struct Names(Vec<(Authority, Mutex<Vec<SocketAddr>>)>);

impl Names {
    fn new(authorities: impl IntoIterator<Item = Authority>) -> Self {
        Self(authorities.into_iter().map(|authority| (authority, Mutex::default())).collect())
    }
}

#[async_trait]
impl ServiceDiscovery for Names {
    async fn discover(&self) -> pingora_core::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let mut backends = BTreeSet::new();
        for (authority, last) in &self.0 {
            let port = authority.port_u16().unwrap_or(80);
            let host = authority.host().trim_matches(['[', ']']);
            let found = tokio::net::lookup_host((host, port)).await.map(Iterator::collect);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            match found {
                Ok(addresses) => *last = addresses,
                Err(error) => tracing::warn!(upstream = %authority, %error, "the upstream's name cannot be resolved"),
            }
            backends.extend(last.iter().filter_map(|address| backend(authority, *address)));
        }
        Ok((backends, HashMap::new()))
    }
}

fn backend(name: &Authority, address: SocketAddr) -> Option<Backend> {
    let mut backend = Backend { addr: address.into(), weight: 1, ext: http::Extensions::new() };
    backend.ext.insert(Arc::new(Upstream::new(name, address)?));
    Some(backend)
}
