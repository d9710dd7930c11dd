//! Chooses the upstream of each request, and keeps the addresses and the health of all up to date.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign::clock::{Clock, SystemClock};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::check::check;
use super::counts::UpstreamCounts;
use super::last_failed::LastFailed;
use super::names::{self, Lookup, Names};
use super::result::{Sign, UpstreamResult};
use super::single::Upstream;
use super::tls::UpstreamTls;
use crate::config::{BalancingSpec, EjectSpec, HealthCheckSpec};

/// The minimum time between two lookups.
const RESOLVE_PAUSE: Duration = Duration::from_secs(1);
/// How long after the pause names are resolved again if no connection fails.
const RESOLVE_WAIT: Duration = Duration::from_secs(3);
/// The maximum time that startup waits for name resolution.
const FIRST_RESOLVE: Duration = Duration::from_secs(5);
/// The health check of upstreams with several addresses, unless another one is configured.
const DEFAULT_CHECK: HealthCheckSpec =
    HealthCheckSpec { path: None, every: Duration::from_secs(1), timeout: Duration::from_secs(1) };

/// The check of an upstream before the gateway starts, unless another one is configured.
const FIRST_CHECK: HealthCheckSpec =
    HealthCheckSpec { path: None, every: Duration::from_secs(5), timeout: Duration::from_secs(5) };

/// The upstreams of one route, or of several routes with the same list.
#[derive(Debug)]
pub struct Upstreams {
    names: Names,
    tls_identity: Option<u64>,
    lookup: Lookup,
    /// Wakes up the task that resolves the names.
    connect_failed: Notify,
    addresses: ArcSwap<Vec<Arc<Upstream>>>,
    turn: AtomicUsize,
    last_failed: LastFailed,
    eject: EjectSpec,
    health_check: Option<HealthCheckSpec>,
}

/// An attempt to reach an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The configured name.
    pub(crate) name: String,
    /// The address, if the name has one.
    pub(crate) address: Option<String>,
    /// Why it cannot be used.
    pub(crate) result: Result<(), String>,
}

/// The addresses of a configured name, and how many of them are not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) addresses: usize,
    pub(crate) ejected: usize,
    pub(crate) unhealthy: usize,
}

impl Upstreams {
    /// These upstreams. Those that are IP addresses can be used at once, the others after [`resolve`].
    pub fn new(spec: &BalancingSpec, tls: Option<&UpstreamTls>, counts: &UpstreamCounts) -> Self {
        Self::with_lookup(spec, tls, counts, names::system)
    }

    fn with_lookup(spec: &BalancingSpec, tls: Option<&UpstreamTls>, counts: &UpstreamCounts, lookup: Lookup) -> Self {
        let names = Names::new(&spec.upstream, tls, counts);
        Self {
            addresses: ArcSwap::from_pointee(names.upstreams()),
            names,
            tls_identity: tls.map(UpstreamTls::identity),
            lookup,
            connect_failed: Notify::new(),
            turn: AtomicUsize::new(0),
            last_failed: LastFailed::default(),
            eject: spec.eject,
            health_check: spec.health_check.clone(),
        }
    }

    /// How many addresses there are, which is also how many attempts are useful.
    pub fn count(&self) -> usize {
        self.addresses.load().len()
    }

    /// The next upstream in turn that is not in `tried`, for the message with this id. It is, if possible, healthy, not
    /// ejected, and not the one that failed this message last, in this order.
    ///
    /// Concurrent requests share the turns, so each request has to remember what it tried.
    pub fn next(&self, message: &[u8], tried: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
        let all = self.addresses.load();
        // A single upstream needs no selection.
        if let [only] = all.as_slice() {
            return Some(Arc::clone(only));
        }
        let (now, failed) = (SystemClock.instant(), self.last_failed.get(message));
        let rank = |upstream: &&Arc<Upstream>| match upstream {
            upstream if !upstream.is_healthy() => 3,
            upstream if !upstream.admits(now) => 2,
            upstream if self.last_failed.is(failed, &upstream.address) => 1,
            _ => 0,
        };
        // A request that is sent again takes no turn. If it did, every request would come first to one that fails of two.
        let turn = if tried.is_empty() { self.turn.fetch_add(1, Relaxed) } else { self.turn.load(Relaxed) };
        let first = turn.checked_rem(all.len()).unwrap_or(0);
        let in_turn = all.iter().cycle().skip(first).take(all.len());
        let untried = in_turn.filter(|new| tried.iter().all(|old| old.address != new.address));
        let chosen = untried.min_by_key(rank);
        match chosen {
            Some(chosen) => chosen.begin(&self.eject, now),
            None if all.is_empty() => self.connect_failed.notify_one(),
            None => {}
        }
        chosen.cloned()
    }

    /// Records what became of a request with this message to this upstream.
    pub fn record(&self, upstream: &Upstream, message: &[u8], result: UpstreamResult) {
        upstream.count(result);
        if result == UpstreamResult::ConnectFailed {
            self.connect_failed.notify_one();
        }
        // A single upstream is always tried.
        let has_choice = self.count() > 1;
        if has_choice && result.is_failure_of_message() {
            self.last_failed.put(message, &upstream.address);
        }
        match result.sign() {
            Sign::Good => {
                if upstream.succeed() {
                    let (upstream, address) = (upstream.name(), &upstream.address);
                    tracing::info!(upstream, %address, "the upstream responds again and is used again");
                }
            }
            Sign::Bad if has_choice && self.eject.is_on() => {
                if let Some((length, failures)) = upstream.fail(&self.eject, SystemClock.instant()) {
                    let (upstream, address) = (upstream.name(), &upstream.address);
                    let length = humantime::format_duration(length);
                    tracing::warn!(upstream, %address, failures, "the upstream is ejected for {length}: it keeps failing");
                }
            }
            Sign::Bad | Sign::Unclear => {}
        }
    }

    /// Stands for the certificates and keys that TLS was built from.
    pub fn tls_identity(&self) -> Option<u64> {
        self.tls_identity
    }

    /// The configured names, separated by commas.
    pub fn names(&self) -> String {
        self.names.list()
    }

    /// How many addresses each name has, and how many of them are not used.
    pub(crate) fn census(&self) -> BTreeMap<String, Census> {
        let mut census: BTreeMap<_, _> = self.names.iter().map(|name| (name.to_owned(), Census::default())).collect();
        for upstream in self.addresses.load().iter() {
            let of_name = census.entry(upstream.name().to_owned()).or_default();
            of_name.addresses += 1;
            of_name.ejected += usize::from(upstream.is_ejected());
            of_name.unhealthy += usize::from(!upstream.is_healthy());
        }
        census
    }

    /// Resolves the names and checks each address once: whether it accepts a connection, or the configured health check.
    pub(crate) async fn reach(&self) -> Vec<Reached> {
        let resolved = tokio::time::timeout(FIRST_RESOLVE, self.resolve()).await;
        let spec = self.health_check.as_ref().unwrap_or(&FIRST_CHECK);
        let mut all = Vec::new();
        for upstream in self.addresses.load().iter() {
            let result = check(upstream, spec.path.as_ref(), spec.timeout).await;
            let (name, address) = (upstream.name().to_owned(), Some(upstream.address.to_string()));
            all.push(Reached { name, address, result });
        }
        let why = if resolved.is_ok() { "its name has no address" } else { "its name was not resolved in time" };
        for name in self.names.iter() {
            if !all.iter().any(|reached| reached.name == name) {
                all.push(Reached { name: name.to_owned(), address: None, result: Err(why.to_owned()) });
            }
        }
        all
    }

    /// Keeps the addresses and the health up to date. It never ends.
    pub async fn run(&self) {
        tokio::join!(self.keep_resolving(), self.keep_checking());
    }

    async fn keep_resolving(&self) {
        while self.names.may_change() {
            let _ = tokio::time::timeout(RESOLVE_WAIT, self.connect_failed.notified()).await;
            self.resolve().await;
            tokio::time::sleep(RESOLVE_PAUSE).await;
        }
    }

    async fn resolve(&self) {
        self.names.resolve(self.lookup).await;
        self.addresses.store(Arc::new(self.names.upstreams()));
    }

    async fn keep_checking(&self) {
        loop {
            let spec = self.health_check.as_ref().unwrap_or(&DEFAULT_CHECK);
            // A single upstream is always tried, so only a configured check has a benefit.
            if self.health_check.is_some() || self.count() > 1 {
                self.check(spec).await;
            }
            tokio::time::sleep(spec.every).await;
        }
    }

    /// Checks all addresses at the same time.
    async fn check(&self, spec: &HealthCheckSpec) {
        let mut checks = JoinSet::new();
        for upstream in self.addresses.load().iter().cloned() {
            let spec = spec.clone();
            checks.spawn(async move {
                let outcome = check(&upstream, spec.path.as_ref(), spec.timeout).await;
                let has_changed = upstream.set_healthy(outcome.is_ok());
                let (upstream, address) = (upstream.name(), &upstream.address);
                match outcome {
                    _ if !has_changed => {}
                    Ok(()) => tracing::info!(upstream, %address, "the upstream passes its health check again"),
                    Err(error) => tracing::warn!(upstream, %address, error, "the upstream fails its health check"),
                }
            });
        }
        while checks.join_next().await.is_some() {}
    }
}

/// Resolves the names of these upstreams for the first time, within a time limit.
pub async fn resolve(all: impl IntoIterator<Item = Arc<Upstreams>>) {
    let mut lookups = JoinSet::new();
    for upstreams in all.into_iter().filter(|upstreams| upstreams.names.may_change()) {
        lookups.spawn(async move { upstreams.resolve().await });
    }
    if tokio::time::timeout(FIRST_RESOLVE, lookups.join_all()).await.is_err() {
        tracing::warn!("some upstream names were not resolved within {FIRST_RESOLVE:?}; starting without them");
    }
}

#[cfg(test)]
mod tests;
