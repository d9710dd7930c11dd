//! The routes of a state: each with its source, its upstreams and its destinations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::source::Source;
use crate::admin_token::AdminToken;
use crate::assertion::Issuer;
use crate::config::{BalancingSpec, Config, DestinationSpec, KeyPath, Problem, Route, Target};
use crate::trust::SetHeaders;
use crate::upstream::{UpstreamCounts, UpstreamTls, Upstreams};

/// A route with its source and its upstreams.
#[derive(Clone)]
pub struct LiveRoute {
    /// Its configuration.
    pub config: Route,
    /// The source that verifies its requests.
    pub source: Arc<Source>,
    /// What requests are sent to: one without destinations, or one for each.
    pub targets: Vec<LiveTarget>,
    /// The destinations whose backends fetch their messages, with the tokens that these have to send.
    pub pulled: Vec<(DestinationSpec, Option<AdminToken>)>,
}

/// What requests of a route are sent to.
#[derive(Clone)]
pub struct LiveTarget {
    /// The route, with the keys of the destination in the place of its own.
    pub config: Route,
    /// The destination, if the route has some.
    pub destination: Option<DestinationSpec>,
    /// Its backends.
    pub upstreams: Arc<Upstreams>,
    /// The headers that its backends get.
    pub set_headers: SetHeaders,
    /// Signs the assertions that its backends get, if they get any.
    pub issuer: Option<Arc<Issuer>>,
}

impl fmt::Debug for LiveRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveRoute").field("config", &self.config).field("source", &self.source).finish_non_exhaustive()
    }
}

/// Upstreams that are set up. Routes with the same settings share them.
pub(super) type Balanced = (BalancingSpec, Arc<Upstreams>);

/// What was read from files, in the order of the configuration.
pub(super) struct Read {
    /// The headers that each target sets.
    pub(super) headers: Vec<SetHeaders>,
    /// TLS towards the upstreams of each target.
    pub(super) upstream_tls: Vec<Option<UpstreamTls>>,
    /// The token of each pulled destination.
    pub(super) pull_tokens: Vec<Option<AdminToken>>,
}

/// Builds the routes and their upstreams. Those that are `known` go on.
pub(super) fn build(
    config: &Config,
    sources: &BTreeMap<String, Arc<Source>>,
    read: Read,
    issuer: Option<&Arc<Issuer>>,
    known: &[Balanced],
    counts: &UpstreamCounts,
) -> Result<(Vec<LiveRoute>, Vec<Balanced>), Problem> {
    let (mut routes, mut balanced) = (Vec::new(), Vec::<Balanced>::new());
    let (mut read, mut tokens) = (read.headers.into_iter().zip(read.upstream_tls), read.pull_tokens.into_iter());
    for (position, route) in config.routes.iter().enumerate() {
        let at = KeyPath::route(position);
        let unknown = || Problem::at(&at.key("source"), format!("there is no source `{}`", route.source));
        let source = sources.get(&route.source).ok_or_else(unknown)?;
        let mut targets = Vec::new();
        for (Target { route, destination, .. }, (set_headers, tls)) in route.targets(&at).into_iter().zip(&mut read) {
            let spec = route.balancing();
            let identity = tls.as_ref().map(UpstreamTls::identity);
            let is_same = |(other, kept): &&Balanced| *other == spec && kept.tls_identity() == identity;
            let kept = balanced.iter().chain(known).find(is_same).map(|(_, kept)| Arc::clone(kept));
            let upstreams = kept.unwrap_or_else(|| Arc::new(Upstreams::new(&spec, tls.as_ref(), counts)));
            if !balanced.iter().any(|(other, _)| *other == spec) {
                balanced.push((spec, Arc::clone(&upstreams)));
            }
            let issuer = issuer.cloned().filter(|_| route.assertion);
            targets.push(LiveTarget { config: route, destination, upstreams, set_headers, issuer });
        }
        let pulled = route.destinations.iter().filter(|destination| destination.pull.is_some()).cloned();
        let pulled = pulled.zip(&mut tokens).collect();
        routes.push(LiveRoute { config: route.clone(), source: Arc::clone(source), targets, pulled });
    }
    Ok((routes, balanced))
}
