//! The backends of a route: found by name, watched, taken in turn.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::uri::Authority;
use pingora_core::ErrorType;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::prelude::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};
use tokio::net::TcpStream;

/// How often names are resolved anew.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// How long the start waits for names.
const FIRST_RESOLVE: Duration = Duration::from_secs(5);
/// How often a backend is checked that has others beside it.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long a backend may take to accept the connection of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// More than any route has, and still a bound on the search for one that is healthy.
const MAX_SEARCH: usize = 64;

/// The backends of one route.
pub struct Upstreams {
    balancer: LoadBalancer<RoundRobin>,
}

/// One backend: where to connect, and what to call it. Both are made when its name is resolved, not
/// for each request.
#[derive(Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its address and port.
    pub address: SocketAddr,
    /// Its name, as configured: the `Host` that it is asked for.
    pub host: HeaderValue,
}

impl Upstream {
    fn new(name: &Authority, address: SocketAddr) -> Option<Self> {
        Some(Self { address, host: HeaderValue::from_str(name.as_str()).ok()? })
    }

    /// Its name, as configured.
    pub fn name(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }
}

impl Upstreams {
    /// The backends with these names.
    pub fn new(authorities: Vec<Authority>) -> Arc<Self> {
        let count = authorities.len();
        let mut backends = Backends::new(Box::new(Names::new(authorities)));
        // A backend that stands alone is tried in any case: a check could only do harm.
        if count > 1 {
            backends.set_health_check(Box::new(Probe));
        }
        let mut balancer = LoadBalancer::from_backends(backends);
        balancer.update_frequency = Some(RESOLVE_EVERY);
        balancer.health_check_frequency = (count > 1).then_some(CHECK_EVERY);
        Arc::new(Self { balancer })
    }

    /// How many addresses there are: as many are worth a try.
    pub fn count(&self) -> usize {
        self.balancer.backends().get_backend().len()
    }

    /// The next one in turn that was not tried yet: a healthy one, or any if none is. Requests take
    /// turns with each other, so that each has to remember what it tried.
    pub fn next(&self, tried: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
        let known = |backend: &Backend| backend.ext.get::<Arc<Upstream>>().cloned();
        // One that stands alone needs no turn.
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

/// Resolves the names of all routes for the first time, as far as that goes quickly.
pub async fn resolve(all: &[Arc<Upstreams>]) {
    let resolving = async {
        for upstreams in all {
            if let Err(error) = upstreams.balancer.update().await {
                tracing::warn!(%error, "the upstreams of a route cannot be found");
            }
        }
    };
    if tokio::time::timeout(FIRST_RESOLVE, resolving).await.is_err() {
        tracing::warn!("not all names of upstreams were resolved within {FIRST_RESOLVE:?}; going on without");
    }
}

/// Keeps the backends of all routes up to date, on one runtime.
pub struct Watch(pub Vec<Arc<Upstreams>>);

#[async_trait]
impl BackgroundService for Watch {
    async fn start(&self, shutdown: ShutdownWatch) {
        for upstreams in &self.0 {
            let (upstreams, shutdown) = (Arc::clone(upstreams), shutdown.clone());
            tokio::spawn(async move { upstreams.balancer.start(shutdown).await });
        }
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

/// Names that are resolved by the operating system, each with the addresses that it had last: those
/// serve while it cannot be resolved.
struct Names(Vec<(Authority, Mutex<Vec<SocketAddr>>)>);

impl Names {
    fn new(authorities: Vec<Authority>) -> Self {
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
