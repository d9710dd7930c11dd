//! The names of upstreams, and their addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::address::Address;
use super::counts::{Counters, UpstreamCounts};
use super::single::Upstream;
use super::tls::{Secured, UpstreamTls};
use crate::config::UpstreamSpec;

/// Looks up the addresses of a host and port.
pub(super) type Lookup = fn(String, u16) -> Found;
type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Asks the operating system.
pub(super) fn system(host: String, port: u16) -> Found {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
}

/// The configured names of a route's upstreams, each with the addresses that were found last. These stay in use while
/// the name cannot be resolved.
#[derive(Debug)]
pub(super) struct Names(Vec<Name>);

#[derive(Debug)]
struct Name {
    spec: UpstreamSpec,
    /// As it is shown.
    label: String,
    tls: Option<Secured>,
    counters: Counters,
    /// Whether it is an IP address or a Unix socket, which needs no lookup.
    is_address: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    upstreams: Vec<Arc<Upstream>>,
    is_failing: bool,
}

impl Names {
    /// These upstreams. IP addresses are resolved at once.
    pub(super) fn new(specs: &[UpstreamSpec], tls: Option<&UpstreamTls>, counts: &UpstreamCounts) -> Self {
        Self(specs.iter().map(|spec| Name::new(spec, tls, counts)).collect())
    }

    /// Whether a lookup could find other addresses.
    pub(super) fn may_change(&self) -> bool {
        self.0.iter().any(|name| !name.is_address)
    }

    /// Looks up all names at the same time.
    pub(super) async fn resolve(&self, lookup: Lookup) {
        let mut lookups = JoinSet::new();
        for (position, name) in self.0.iter().enumerate().filter(|(_, name)| !name.is_address) {
            let found = lookup(name.spec.host().to_owned(), name.spec.port());
            lookups.spawn(async move { (position, found.await) });
        }
        while let Some(found) = lookups.join_next().await {
            if let Ok((position, found)) = found
                && let Some(name) = self.0.get(position)
            {
                name.update(found);
            }
        }
    }

    /// All upstreams, each address once.
    pub(super) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        let mut all: Vec<Arc<Upstream>> = Vec::new();
        for name in &self.0 {
            for upstream in &name.known().upstreams {
                if !all.iter().any(|other| other.address == upstream.address) {
                    all.push(Arc::clone(upstream));
                }
            }
        }
        all
    }

    /// The names, separated by commas.
    pub(super) fn list(&self) -> String {
        self.0.iter().map(|name| name.label.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| name.label.as_str())
    }
}

impl Name {
    fn new(spec: &UpstreamSpec, tls: Option<&UpstreamTls>, counts: &UpstreamCounts) -> Self {
        let tls = tls.filter(|_| spec.scheme.is_tls()).and_then(|tls| tls.of(spec.scheme, spec.host()));
        let (spec, label, counters) = (spec.clone(), spec.name(), counts.of(&spec.name()));
        let mut name = Self { spec, label, tls, counters, is_address: false, known: Mutex::default() };
        let address = match (&name.spec.socket, name.spec.host().parse::<IpAddr>()) {
            (Some(path), _) => Address::Unix(path.as_path().into()),
            (None, Ok(ip)) => Address::Ip(SocketAddr::new(ip, name.spec.port())),
            (None, Err(_)) => return name,
        };
        name.is_address = true;
        let upstreams = name.upstream(address).map(Arc::new).into_iter().collect();
        name.known = Mutex::new(Known { upstreams, is_failing: false });
        name
    }

    /// `None` if it could not be connected to in the configured way.
    fn upstream(&self, address: Address) -> Option<Upstream> {
        if self.spec.scheme.is_tls() && self.tls.is_none() {
            return None;
        }
        Upstream::new(&self.spec, address, self.tls.clone(), self.counters.clone())
    }

    /// Takes over the addresses that were found. An address that was known before keeps its health.
    fn update(&self, found: io::Result<Vec<SocketAddr>>) {
        let mut known = self.known();
        let error = match found {
            Ok(addresses) if !addresses.is_empty() => {
                let upstream = |address: SocketAddr| {
                    let address = Address::Ip(address);
                    let kept = known.upstreams.iter().find(|upstream| upstream.address == address).cloned();
                    kept.or_else(|| self.upstream(address).map(Arc::new))
                };
                let upstreams = addresses.into_iter().filter_map(upstream).collect();
                known.upstreams = upstreams;
                if std::mem::take(&mut known.is_failing) {
                    tracing::info!(upstream = self.label, "the upstream's name can be resolved again");
                }
                return;
            }
            Ok(_) => "it has no address".to_owned(),
            Err(error) => error.to_string(),
        };
        // The next lookup follows soon, so only changes are logged.
        if !std::mem::replace(&mut known.is_failing, true) {
            tracing::warn!(
                upstream = self.label,
                error,
                known_addresses = known.upstreams.len(),
                "the upstream's name cannot be resolved"
            );
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
