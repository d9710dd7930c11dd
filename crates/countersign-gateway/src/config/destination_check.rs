//! Destinations that cannot work.

use std::collections::BTreeSet;

use super::Config;
use super::delivery::DeliverySpec;
use super::destination::DestinationSpec;
use super::error::Problem;
use super::key_path::KeyPath;
use super::pull::PullSpec;

impl Config {
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
