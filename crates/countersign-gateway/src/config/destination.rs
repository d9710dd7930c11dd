//! The destinations of a route with an inbox.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::balancing::{EjectSpec, HealthCheckSpec, RetrySpec};
use super::delivery::{DeliverySpec, RedeliverySpec};
use super::error::Problem;
use super::events::Events;
use super::hide::is_like_a_secret;
use super::key_path::KeyPath;
use super::metadata::TextPattern;
use super::pull::PullSpec;
use super::rate::{self, RateSpec};
use super::routes::{Route, in_flight};
use super::set_headers::{self, SetHeaderSpec};
use super::upstream::{UpstreamSpec, UpstreamTlsSpec};
use super::values::text;
use super::{Config, duration, targets};

/// Where messages of a route are delivered. A message is delivered to each destination that it matches. The keys about
/// upstreams, requests and retries mean the same as on a route; those that are left out are the ones of the route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Destination")]
pub struct DestinationSpec {
    /// Its name, which no other destination of any route has: letters, digits, `.`, `_` and `-`. Its deliveries are found by it
    /// after a restart.
    #[serde(deserialize_with = "name")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 64))]
    pub name: String,
    /// The event types that it gets: exact types, prefixes like `batch.*`, or `*`. A message whose signed body has no type is
    /// matched by `*` only. Default: all messages.
    pub events: Option<Events>,
    /// The `user_metadata` of the messages that it gets, by name: a text, or a pattern like `nightly-*`. All have to match.
    /// Default: any.
    #[serde(default)]
    pub metadata: BTreeMap<String, TextPattern>,
    /// Its backends: at least one, or else `pull`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub upstream: Vec<UpstreamSpec>,
    /// In place of `upstream`: its backend fetches the messages from the listener `pull` of `[server]`, because the gateway
    /// cannot reach it.
    pub pull: Option<PullSpec>,
    /// TLS towards upstreams with `https` or `h2`.
    pub upstream_tls: Option<UpstreamTlsSpec>,
    /// How the upstreams are checked.
    pub health_check: Option<HealthCheckSpec>,
    /// When an upstream that keeps failing is left out.
    pub eject: Option<EjectSpec>,
    /// When a request is sent to another upstream.
    pub retry: Option<RetrySpec>,
    /// The beginning of the route's path that is left out.
    #[serde(default, deserialize_with = "targets::strip_prefix")]
    #[schemars(schema_with = "targets::strip_prefix_schema")]
    pub strip_prefix: Option<String>,
    /// Headers that are sent to the backends, in place of those of the route.
    #[serde(default, deserialize_with = "headers")]
    #[schemars(schema_with = "set_headers::schema")]
    pub set_headers: Option<Vec<SetHeaderSpec>>,
    /// Whether requests get a signed assertion.
    pub assertion: Option<bool>,
    /// Whether the names of headers are sent in title case.
    pub title_case_headers: Option<bool>,
    /// When a delivery that failed is attempted again.
    pub redelivery: Option<RedeliverySpec>,
    /// How many deliveries are attempted at once. Default: 16.
    #[serde(default, deserialize_with = "in_flight")]
    #[schemars(range(min = 1))]
    pub max_in_flight: Option<usize>,
    /// How many attempts are started, like "90/s". Default: no limit.
    pub rate: Option<RateSpec>,
    /// How many attempts are started at once. Only with `rate`. Default: the number of `rate`.
    #[serde(default, deserialize_with = "rate::burst")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<usize>,
    /// How long a backend may take until the head of its response, and between two parts of its body.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub upstream_timeout: Option<Duration>,
    /// How long a connection to a backend may be idle before it is not used again.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub upstream_idle_timeout: Option<Duration>,
    /// How long a backend may take to accept a connection.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub connect_timeout: Option<Duration>,
}

/// What is done with a verified message that matches no destination of its route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Unmatched")]
pub enum UnmatchedSpec {
    /// It is stored as a dead letter. If it is delivered again, it goes to the destinations that it matches then.
    #[default]
    Keep,
    /// It is rejected with 422 (`no_destination`).
    Reject,
}

impl<'de> Deserialize<'de> for UnmatchedSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"keep\" or \"reject\"", |text| match text {
            "keep" => Ok(Self::Keep),
            "reject" => Ok(Self::Reject),
            _ => Err("write \"keep\" or \"reject\""),
        })
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "a name like \"nightly\"", |name| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if is_like_a_secret(name) {
            return Err("a name is shown in metrics and logs, and this one looks like a secret");
        }
        match name.as_bytes() {
            [first, ..] if name.len() <= 64 && first.is_ascii_alphanumeric() && name.bytes().all(is_valid) => {
                Ok(name.to_owned())
            }
            _ => Err("a name has 1 to 64 letters, digits, `.`, `_` and `-`, and begins with a letter or digit"),
        }
    })
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<SetHeaderSpec>>, D::Error> {
    set_headers::deserialize(deserializer).map(Some)
}

/// A route, or a destination of one: what requests are sent to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is in the configuration.
    pub(crate) at: KeyPath,
    /// The route, with the keys of the destination in the place of its own.
    pub route: Route,
    /// The destination, if the route has some.
    pub destination: Option<DestinationSpec>,
}

impl Route {
    /// What requests of this route are sent to: the route itself, or its destinations that are not pulled.
    pub(crate) fn targets(&self, at: &KeyPath) -> Vec<Target> {
        if self.destinations.is_empty() {
            return vec![Target { at: at.clone(), route: self.clone(), destination: None }];
        }
        let target = |(position, destination): (usize, &DestinationSpec)| Target {
            at: at.key("destinations").entry(position),
            route: destination.in_place_of(self),
            destination: Some(destination.clone()),
        };
        let sent = self.destinations.iter().enumerate().filter(|(_, destination)| destination.pull.is_none());
        sent.map(target).collect()
    }
}

impl DestinationSpec {
    /// The route, with the keys of this destination in the place of its own.
    fn in_place_of(&self, route: &Route) -> Route {
        let has_tls = self.upstream.iter().any(|upstream| upstream.scheme.is_tls());
        let default = route.clone();
        Route {
            destinations: Vec::new(),
            upstream: self.upstream.clone(),
            upstream_tls: self.upstream_tls.clone().or(default.upstream_tls.filter(|_| has_tls)),
            health_check: self.health_check.clone().or(default.health_check),
            eject: self.eject.unwrap_or(default.eject),
            retry: self.retry.unwrap_or(default.retry),
            strip_prefix: self.strip_prefix.clone().or(default.strip_prefix),
            set_headers: self.set_headers.clone().unwrap_or(default.set_headers),
            assertion: self.assertion.unwrap_or(default.assertion),
            title_case_headers: self.title_case_headers.unwrap_or(default.title_case_headers),
            redelivery: self.redelivery.or(default.redelivery),
            max_in_flight: self.max_in_flight.or(default.max_in_flight),
            rate: self.rate,
            burst: self.burst,
            upstream_timeout: self.upstream_timeout.unwrap_or(default.upstream_timeout),
            upstream_idle_timeout: self.upstream_idle_timeout.unwrap_or(default.upstream_idle_timeout),
            connect_timeout: self.connect_timeout.or(default.connect_timeout),
            ..default
        }
    }
}

impl Config {
    /// What requests of all routes are sent to.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> + '_ {
        self.routes.iter().enumerate().flat_map(|(position, route)| route.targets(&KeyPath::route(position)))
    }

    /// Rejects destinations that cannot work.
    pub(super) fn check_destinations(&self, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let mut names = BTreeSet::new();
        for (position, route) in self.routes.iter().enumerate() {
            let at = KeyPath::route(position);
            if route.destinations.is_empty() && route.unmatched.is_some() {
                let message = "`unmatched` is for a route with [[routes.destinations]]: add one, or leave this out";
                return Err(Problem::at(&at.key("unmatched"), message));
            }
            if !route.destinations.is_empty() && route.delivery == DeliverySpec::Direct {
                let message =
                    "destinations need `delivery = \"inbox\"`: a sender waits for the response of one backend";
                return Err(Problem::at(&at.key("destinations"), message));
            }
            if !route.destinations.is_empty() && !route.upstream.is_empty() {
                let message = "messages go to the upstreams of the destinations: leave this out";
                return Err(Problem::at(&at.key("upstream"), message));
            }
            for (position, destination) in route.destinations.iter().enumerate() {
                let at = at.key("destinations").entry(position);
                if !names.insert(&destination.name) {
                    let message = format!("another destination is named `{}`: use another name", destination.name);
                    return Err(Problem::at(&at.key("name"), message));
                }
                if let Some(events) = &destination.events {
                    events.check(&at.key("events"), warnings)?;
                }
                if let Some(redelivery) = destination.redelivery {
                    redelivery.check(&at.key("redelivery"))?;
                }
                if let Some(pull) = &destination.pull {
                    self.check_pull(destination, pull, &at)?;
                }
            }
        }
        Ok(())
    }

    /// A pulled destination has a listener, and a token unless only this machine can connect to it.
    fn check_pull(&self, destination: &DestinationSpec, pull: &PullSpec, at: &KeyPath) -> Result<(), Problem> {
        if !destination.upstream.is_empty() {
            let message = "a destination is pulled, or has an `upstream`: leave one out";
            return Err(Problem::at(&at.key("pull"), message));
        }
        if destination.rate.is_some() || destination.max_in_flight.is_some() {
            let message =
                "the backend of a pulled destination decides how fast it fetches: leave out `rate` and `max_in_flight`";
            return Err(Problem::at_first([at.key("rate"), at.key("max_in_flight")], message));
        }
        let Some(listener) = &self.server.pull else {
            let message = "a pulled destination needs a listener: set `pull` in [server], like \"127.0.0.1:9902\"";
            return Err(Problem::at(&at.key("pull"), message));
        };
        let is_local = listener.address.ip().is_none_or(|address| address.ip().is_loopback());
        if pull.token.is_none() && !is_local {
            let message =
                "anyone who can connect could fetch the messages: add a `token`, or listen on a loopback address";
            return Err(Problem::at(&at.key("pull"), message));
        }
        Ok(())
    }
}
