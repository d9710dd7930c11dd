//! Checks a route as a whole, and with its source.

use std::collections::BTreeMap;
use std::time::Duration;

use super::addresses::identity;
use super::balancing::RetrySpec;
use super::delivery::DeliverySpec;
use super::error::Problem;
use super::hide::is_like_a_secret;
use super::key_path::KeyPath;
use super::limits;
use super::routes::{Route, UntypedSpec};
use super::sender::DuplicatesSpec;
use super::source::SourceConfig;
use super::store::StoreSpec;
use super::target::Target;
use super::targets::PATH_LIKE_A_SECRET;
use super::upstream::{self, UpstreamScheme};

impl Route {
    /// Rejects values that cannot work, and warns of values that are probably not meant.
    pub(super) fn check(
        &self,
        at: &KeyPath,
        sources: &BTreeMap<String, SourceConfig>,
        warnings: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        let source = self.check_source(at, sources)?;
        if self.destinations.is_empty() {
            self.check_lease(at, source)?;
        }
        if self.burst.is_some() && self.rate.is_none() {
            return Err(Problem::at(&at.key("burst"), "`burst` is for a route with `rate`, like \"90/s\": add it"));
        }
        self.check_events(at, warnings)?;
        for (position, name) in self.forward_headers.needless() {
            let message =
                format!("`forward_headers` of `{}` lists `{name}`, which is forwarded without that", self.path);
            warnings.push(Problem::at(&at.key("forward_headers").entry(position), message));
        }
        for Target { at, route, destination } in self.targets(at) {
            if destination.is_some_and(|it| it.burst.is_some() && it.rate.is_none()) {
                let message = "`burst` is for a destination with `rate`, like \"90/s\": add it";
                return Err(Problem::at(&at.key("burst"), message));
            }
            route.check_target(&at, warnings)?;
        }
        let (tenth, hour) = (Duration::from_millis(100), Duration::from_hours(1));
        let why = "a body may trickle in for that long, or has no time to arrive at all; the default is 10 s";
        limits::warn_outside(at, "body_timeout", self.body_timeout, tenth..=hour, why, warnings);
        limits::warn_of_memory(&at.key("body_limit"), self.body_limit, warnings);
        limits::warn_of_small_body(&at.key("body_limit"), self.body_limit, warnings);
        if is_like_a_secret(&self.path.to_string()) {
            warnings.push(Problem::at(&at.key("path"), PATH_LIKE_A_SECRET));
        }
        Ok(())
    }

    /// Checks where requests are sent, and how: of a route, or of a destination with the rest of its route.
    fn check_target(&self, at: &KeyPath, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        self.check_timeouts(at, warnings)?;
        if self.upstream.is_empty() {
            let message = "name one upstream at least, like \"http://127.0.0.1:3000\"";
            return Err(Problem::at(&at.key("upstream"), message));
        }
        self.check_paths(at)?;
        self.check_upstreams(&at.key("upstream"), warnings);
        upstream::check_tls(&self.upstream, self.upstream_tls.as_ref(), at)?;
        self.eject.check(&at.key("eject"))?;
        if let Some(health_check) = &self.health_check {
            health_check.check(&at.key("health_check"), warnings)?;
        }
        Ok(())
    }

    /// An inbox needs a store that a restart does not empty, and delivers each message once.
    pub(super) fn check_delivery(
        &self,
        at: &KeyPath,
        (store, source): (&StoreSpec, Option<&SourceConfig>),
        warnings: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        if let Some(redelivery) = self.redelivery {
            redelivery.check(&at.key("redelivery"))?;
        }
        if let Some(reconcile) = &self.reconcile {
            reconcile.check(&at.key("reconcile"), self.delivery, warnings)?;
        }
        let why = match self.delivery {
            DeliverySpec::Direct if self.redelivery.is_some() => {
                let message = "`redelivery` is for `delivery = \"inbox\"`: in direct mode, the sender retries";
                return Err(Problem::at(&at.key("redelivery"), message));
            }
            DeliverySpec::Inbox if !matches!(store, StoreSpec::Sqlite(_) | StoreSpec::Postgres(_)) => {
                "an inbox needs a durable store: set [store] to `engine = \"sqlite\"` with a `path`, or to \
                 `engine = \"postgres\"` with a `url`"
            }
            DeliverySpec::Inbox if self.grpc => {
                "a gRPC call needs the response of its backend: use \"direct\", or leave out `grpc`"
            }
            DeliverySpec::Inbox if source.is_some_and(|source| source.duplicates == DuplicatesSpec::Forward) => {
                "the source forwards duplicates, but an inbox stores each message once: use \"direct\", or another source \
                 without `duplicates = \"forward\"`"
            }
            DeliverySpec::Direct | DeliverySpec::Inbox => return Ok(()),
        };
        Err(Problem::at(&at.key("delivery"), why))
    }

    /// All paths of the route begin with what is left out, and all its upstreams have the same path.
    fn check_paths(&self, at: &KeyPath) -> Result<(), Problem> {
        let rest = self.path.text().strip_prefix(self.strip_prefix());
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let message =
                format!("not every path of the route {} begins with this: write the beginning of it", self.path);
            return Err(Problem::at(&at.key("strip_prefix"), message));
        }
        match self.upstream.iter().position(|upstream| upstream.path != self.upstream_path()) {
            Some(position) => {
                let message = "the upstreams of a route are replicas: give all of them the same path";
                Err(Problem::at(&at.key("upstream").entry(position), message))
            }
            None => Ok(()),
        }
    }

    fn check_source<'s>(
        &self,
        at: &KeyPath,
        sources: &'s BTreeMap<String, SourceConfig>,
    ) -> Result<&'s SourceConfig, Problem> {
        sources.get(&self.source).ok_or_else(|| {
            let known: Vec<_> = sources.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "no source at all".into() } else { known.join(", ") };
            Problem::at(&at.key("source"), format!("there is no source `{}`; there is {known}", self.source))
        })
    }

    /// A claim outlives the request to the backend.
    fn check_lease(&self, at: &KeyPath, source: &SourceConfig) -> Result<(), Problem> {
        let (lease, upstream_timeout) = (source.replay.lease, self.upstream_timeout);
        if lease < upstream_timeout {
            let message = format!(
                "the upstream may take {upstream_timeout:?}, but the lease of the source `{}` ends after {lease:?}: \
                 a retry in between would be forwarded too",
                self.source
            );
            return Err(Problem::at_first([at.key("upstream_timeout"), at.key("source")], message));
        }
        if self.retry == RetrySpec::Idempotent && lease < 2 * upstream_timeout {
            let message = format!(
                "with `retry = \"idempotent\"`, two upstreams may take {upstream_timeout:?} each, but the lease of the \
                 source `{}` ends after {lease:?}: use a shorter time here, or a longer lease",
                self.source
            );
            return Err(Problem::at_first([at.key("upstream_timeout"), at.key("retry")], message));
        }
        Ok(())
    }

    fn check_timeouts(&self, at: &KeyPath, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let (connect_timeout, upstream_timeout) = (self.connect_timeout(), self.upstream_timeout);
        if connect_timeout > upstream_timeout {
            let message = format!(
                "a backend may take {connect_timeout:?} to accept a connection, but `upstream_timeout` ends the \
                 attempt after {upstream_timeout:?}: use a shorter time here"
            );
            return Err(Problem::at(&at.key("connect_timeout"), message));
        }
        let (tenth, hour) = (Duration::from_millis(100), Duration::from_hours(1));
        let hundredth = Duration::from_millis(10);
        let mut warn = |key, duration, usual, why| limits::warn_outside(at, key, duration, usual, why, warnings);
        let why = "senders give up after 10 s to 30 s, and the backend needs some time; the default is 30 s";
        warn("upstream_timeout", upstream_timeout, tenth..=hour, why);
        let why =
            "a connection is reused for that long, while servers close it after a few seconds; the default is 1.5 s";
        warn("upstream_idle_timeout", self.upstream_idle_timeout, hundredth..=hour, why);
        let why = "a backend accepts a connection within milliseconds, or not at all; the default is 5 s";
        warn("connect_timeout", connect_timeout, hundredth..=Duration::from_mins(2), why);
        Ok(())
    }

    fn check_events(&self, at: &KeyPath, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let untyped = at.key("untyped");
        match (&self.events, self.untyped) {
            (None, Some(_)) => {
                let message = "`untyped` is for a route with `events`: without a filter no types are read";
                return Err(Problem::at(&untyped, message));
            }
            (Some(events), Some(UntypedSpec::Reject)) if events.is_all() => {
                let message = "`untyped` is for a filter, and [\"*\"] filters nothing: only deliveries without a readable \
                               type are rejected";
                warnings.push(Problem::at(&untyped, message));
            }
            _ => {}
        }
        self.events.as_ref().map_or(Ok(()), |events| events.check(&at.key("events"), warnings))
    }

    fn check_upstreams(&self, at: &KeyPath, warnings: &mut Vec<Problem>) {
        let mut known = Vec::new();
        for (position, upstream) in self.upstream.iter().enumerate() {
            if upstream.scheme == UpstreamScheme::Http && upstream.port() == 443 {
                let message =
                    format!("the upstream {upstream} has the port of https, but is spoken to in http: write https://");
                warnings.push(Problem::at(&at.entry(position), message));
            }
            let identity = match &upstream.socket {
                Some(_) => (upstream.name(), 0),
                None => identity(&upstream.authority, upstream.port()),
            };
            if known.contains(&identity) {
                let message = format!("the upstream {upstream} is listed twice: it would get two turns of each round");
                warnings.push(Problem::at(&at.entry(position), message));
            }
            known.push(identity);
        }
    }
}
