//! What a comparison of servers measures, as data.

use crate::report::Target;
use crate::servers::Kind;
use crate::traffic::Traffic;

/// One kind of traffic, sent to several servers in turns.
#[derive(Debug)]
pub struct Scenario<K: 'static> {
    /// The heading of its table.
    pub title: &'static str,
    /// The text between the heading and the table.
    pub conditions: &'static str,
    /// What is sent.
    pub traffic: Traffic,
    /// What else is sent at the same time, over this number of connections. It is not measured.
    pub beside: Option<(Traffic, u32)>,
    /// The number of connections, one measurement for each.
    pub concurrencies: &'static [u32],
    /// The number of measured rounds. A short one goes before them, to warm up.
    pub rounds: usize,
    /// How long each turn lasts.
    pub turn_millis: u32,
    /// Whether a server takes part.
    pub includes: fn(K) -> bool,
    /// The denominator of the table's ratios.
    pub reference: Reference<K>,
    /// The ratios that have a target.
    pub goals: &'static [Goal<K>],
}

/// The denominator of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<K> {
    /// The requests per second of another server, in the same round.
    Server(K),
    /// The requests per second of the same server with [`Traffic::PLAIN`], just before.
    OwnPlainTraffic,
    /// The 99th percentile of the latencies of the same server with the same traffic and nothing beside it, just before,
    /// in place of the requests per second.
    OwnTailAlone,
}

/// A ratio that has a target.
#[derive(Clone, Copy, Debug)]
pub struct Goal<K> {
    /// The numerator.
    pub server: K,
    /// The denominator.
    pub reference: Reference<K>,
    /// What the ratio has to reach.
    pub target: Target,
}

impl<K: Kind> Scenario<K> {
    /// The traffic that each server is measured with first in each round, to compare it with itself.
    pub(crate) fn own_reference(&self) -> Option<Traffic> {
        match self.reference {
            Reference::Server(_) => None,
            Reference::OwnPlainTraffic => Some(Traffic::PLAIN),
            Reference::OwnTailAlone => Some(self.traffic),
        }
    }
}

impl<K: Kind> Reference<K> {
    /// The figure that is compared.
    pub(crate) fn figure(self) -> &'static str {
        match self {
            Self::Server(_) | Self::OwnPlainTraffic => "requests/s",
            Self::OwnTailAlone => "p99",
        }
    }

    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server(kind) => kind.name(),
            Self::OwnPlainTraffic => "its own plain deliveries",
            Self::OwnTailAlone => "its own p99 without the flood",
        }
    }
}
