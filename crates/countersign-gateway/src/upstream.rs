//! The backends of a route: found by name, watched, taken in turn.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::uri::Authority;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::health_check::TcpHealthCheck;
use pingora_load_balancing::prelude::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};

/// How often names are resolved anew.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// How often a backend is checked that has others beside it.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// More than any route has, and still a bound on the search for one that is healthy.
const MAX_SEARCH: usize = 64;

/// The backends of one route.
pub struct Upstreams {
    balancer: LoadBalancer<RoundRobin>,
    count: usize,
}

/// One backend: where to connect, and what to call it. Both are made when its name is resolved, not
/// for each request.
#[derive(Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its address and port.
    pub address: Authority,
    /// Its name, as configured: the `Host` that it is asked for.
    pub host: HeaderValue,
}

impl Upstream {
    fn new(name: &Authority, address: SocketAddr) -> Option<Self> {
        let address = address.to_string().parse().ok()?;
        Some(Self { address, host: HeaderValue::from_str(name.as_str()).ok()? })
    }
}

impl Upstreams {
    /// The backends with these names.
    pub fn new(authorities: Vec<Authority>) -> Arc<Self> {
        let count = authorities.len();
        let mut backends = Backends::new(Box::new(Names(authorities)));
        // A backend that stands alone is tried in any case: a check could only do harm.
        if count > 1 {
            backends.set_health_check(TcpHealthCheck::new());
        }
        let mut balancer = LoadBalancer::from_backends(backends);
        balancer.update_frequency = Some(RESOLVE_EVERY);
        balancer.health_check_frequency = (count > 1).then_some(CHECK_EVERY);
        Arc::new(Self { balancer, count })
    }

    /// How many there are by name: as many are worth a try.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The next one in turn: a healthy one, or any if none is. `None` while no name was resolved.
    pub fn next(&self) -> Option<Arc<Upstream>> {
        let backend = self
            .balancer
            .select(b"", MAX_SEARCH)
            .or_else(|| self.balancer.select_with(b"", MAX_SEARCH, |_, _| true))?;
        backend.ext.get().cloned()
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

/// Names that are resolved by the operating system.
struct Names(Vec<Authority>);

#[async_trait]
impl ServiceDiscovery for Names {
    async fn discover(&self) -> pingora_core::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let mut backends = BTreeSet::new();
        for authority in &self.0 {
            let port = authority.port_u16().unwrap_or(80);
            let host = authority.host().trim_matches(['[', ']']);
            match tokio::net::lookup_host((host, port)).await {
                Ok(addresses) => backends.extend(addresses.filter_map(|address| backend(authority, address))),
                Err(error) => tracing::warn!(upstream = %authority, %error, "the upstream's name cannot be resolved"),
            }
        }
        Ok((backends, HashMap::new()))
    }
}

fn backend(name: &Authority, address: SocketAddr) -> Option<Backend> {
    let mut backend = Backend { addr: address.into(), weight: 1, ext: http::Extensions::new() };
    backend.ext.insert(Arc::new(Upstream::new(name, address)?));
    Some(backend)
}
