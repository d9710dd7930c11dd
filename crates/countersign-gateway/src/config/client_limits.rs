//! The limits for each client.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problem;
use super::key_path::KeyPath;
use super::rate::{self, RateSpec};
use super::values::count;
use crate::rate::Rate;

/// The limits for each client: an IPv4 address, or the /64 network of an IPv6 address. Unix sockets and trusted proxies that
/// do not name their clients are not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ClientLimits")]
pub struct ClientLimitsSpec {
    /// How many connections may be open from one address, or from one that the PROXY protocol announces. Further ones are
    /// closed at once. Connections from trusted proxies are not limited. Default: no limit.
    #[serde(default, deserialize_with = "connections")]
    #[schemars(range(min = 1))]
    pub connections: Option<usize>,
    /// How many requests of one client may be rejected, like "10/m", by a status from 400 to 499 apart from 409 and 429.
    /// Further requests get 429 (`client_limit`) with `Retry-After` until then, whether or not they are authentic.
    /// Default: no limit.
    pub rejected: Option<RateSpec>,
    /// How many requests may be rejected at once. Default: the number of `rejected`.
    #[serde(default, deserialize_with = "rate::burst")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<usize>,
}

fn connections<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    count(deserializer, 1..=usize::MAX, "no connection would be accepted: allow one at least").map(Some)
}

impl ClientLimitsSpec {
    /// The rate of rejected requests, if it is limited.
    pub fn rejected(&self) -> Option<Rate> {
        self.rejected.map(|rate| rate.with_burst(self.burst))
    }

    /// Rejects values that cannot work together.
    pub(super) fn check(&self, at: &KeyPath) -> Result<(), Problem> {
        match (self.rejected, self.burst) {
            (None, Some(_)) => Err(Problem::at(&at.key("burst"), "`burst` is for `rejected`, like \"10/m\": add it")),
            _ => Ok(()),
        }
    }
}
