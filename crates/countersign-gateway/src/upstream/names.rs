//! The names of upstreams, and their addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::Authority;
use tokio::task::JoinSet;

use super::counts::{Counters, UpstreamCounts};
use super::single::Upstream;

const DEFAULT_PORT: u16 = 80;

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
    authority: Authority,
    counters: Counters,
    /// Whether the name is an IP address, which needs no lookup.
    is_address: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    upstreams: Vec<Arc<Upstream>>,
    is_failing: bool,
}

impl Names {
    /// These names. Those that are IP addresses are resolved at once.
    pub(super) fn new<'a>(authorities: impl Iterator<Item = &'a Authority>, counts: &UpstreamCounts) -> Self {
        Self(authorities.map(|authority| Name::new(authority, counts)).collect())
    }

    /// Whether a lookup could find other addresses.
    pub(super) fn may_change(&self) -> bool {
        self.0.iter().any(|name| !name.is_address)
    }

    /// Looks up all names at the same time.
    pub(super) async fn resolve(&self, lookup: Lookup) {
        let mut lookups = JoinSet::new();
        for (position, name) in self.0.iter().enumerate().filter(|(_, name)| !name.is_address) {
            let found = lookup(name.host().to_owned(), name.port());
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
        self.0.iter().map(|name| name.authority.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| name.authority.as_str())
    }
}

impl Name {
    fn new(authority: &Authority, counts: &UpstreamCounts) -> Self {
        let (authority, counters) = (authority.clone(), counts.of(authority.as_str()));
        let mut name = Self { authority, counters, is_address: false, known: Mutex::default() };
        if let Ok(ip) = name.host().parse::<IpAddr>() {
            name.is_address = true;
            name.update(Ok(vec![SocketAddr::new(ip, name.port())]));
        }
        name
    }

    /// Without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(DEFAULT_PORT)
    }

    /// Takes over the addresses that were found. An address that was known before keeps its health.
    fn update(&self, found: io::Result<Vec<SocketAddr>>) {
        let mut known = self.known();
        let error = match found {
            Ok(addresses) if !addresses.is_empty() => {
                let upstream = |address: &SocketAddr| {
                    let kept = known.upstreams.iter().find(|upstream| upstream.address == *address).cloned();
                    kept.or_else(|| Upstream::new(&self.authority, *address, self.counters.clone()).map(Arc::new))
                };
                let upstreams = addresses.iter().filter_map(upstream).collect();
                known.upstreams = upstreams;
                if std::mem::take(&mut known.is_failing) {
                    tracing::info!(upstream = %self.authority, "the upstream's name can be resolved again");
                }
                return;
            }
            Ok(_) => "it has no address".to_owned(),
            Err(error) => error.to_string(),
        };
        // The next lookup follows soon, so only changes are logged.
        if !std::mem::replace(&mut known.is_failing, true) {
            tracing::warn!(
                upstream = %self.authority,
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
