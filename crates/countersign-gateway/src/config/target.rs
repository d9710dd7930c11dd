//! What requests are sent to: routes, and their destinations.

use super::Config;
use super::destination::DestinationSpec;
use super::key_path::KeyPath;
use super::routes::Route;

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
}
