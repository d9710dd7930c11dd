//! What is sent to the gateway and to its peers.

use countersign_benches::report::Target;
use countersign_benches::scenario::{Goal, Reference, Scenario};
use countersign_benches::servers::Kind as _;
use countersign_benches::traffic::{Connections, Protocol, Traffic, Writes};

use crate::servers::Kind;

pub(crate) static SCENARIOS: [Scenario<Kind>; 14] = [
    Scenario {
        title: "Plain deliveries",
        conditions: "252-byte bodies, one write each, on connections that are kept alive. Six rounds of 1 s.",
        concurrencies: &[32, 128],
        rounds: 6,
        turn_millis: 1000,
        includes: |kind| !kind.is_variant(),
        goals: &[at_least(1.6, Kind::BareProxy), at_least(1.2, Kind::NginxLua), at_least(0.95, Kind::Nginx)],
        ..ADDED
    },
    Scenario {
        title: "Head and body in two writes",
        conditions: "As plain deliveries, but the body follows the head in a write of its own. Three rounds of 0.7 s.",
        traffic: Traffic { writes: Writes::HeadThenBody, ..Traffic::PLAIN },
        concurrencies: &[32, 128],
        goals: &[at_least(1.1, Kind::NginxLua)],
        ..ADDED
    },
    Scenario {
        title: "A new connection for each request",
        conditions: "As plain deliveries, but each request opens a connection and says `Connection: close`. The \
                     latency includes the time to connect. Three rounds of 0.7 s.",
        traffic: Traffic { connections: Connections::OnePerRequest, prepared_per_second: 60_000, ..Traffic::PLAIN },
        goals: &[at_least(1.0, Kind::NginxLua)],
        ..ADDED
    },
    Scenario {
        title: "20 KiB bodies",
        conditions: "As plain deliveries, but with bodies of 20 KiB. Three rounds of 0.7 s.",
        traffic: Traffic { body_len: 20 * 1024, prepared_per_second: 60_000, ..Traffic::PLAIN },
        goals: &[at_least(1.2, Kind::NginxLua)],
        ..ADDED
    },
    Scenario {
        title: "A flood of forged deliveries",
        conditions: "Each delivery has an altered body and is rejected with 401. The ratio compares the rejected \
                     requests per second with the plain deliveries that the same server forwards just before. Three \
                     rounds of 0.7 s.",
        traffic: Traffic { forged: true, ..Traffic::PLAIN },
        includes: |kind| kind.verifies() && !kind.is_variant(),
        reference: Reference::OwnPlainTraffic,
        goals: &[Goal {
            server: Kind::Countersign,
            reference: Reference::OwnPlainTraffic,
            target: Target::AtLeast(1.5),
        }],
        ..ADDED
    },
    Scenario {
        title: "Authentic deliveries beside a flood",
        conditions: "Authentic deliveries, 1,000 per second on at most 16 connections, while forged ones arrive as fast as \
                     the server rejects them, on 32 connections. The ratio compares the 99th percentile of the \
                     latencies of the authentic ones with that of the same server without the flood, just before. \
                     Requests per second and CPU time include the flood in the CPU time alone. Three rounds of 1 s.",
        traffic: Traffic { rate: Some(1000), prepared_per_second: 1001, ..Traffic::PLAIN },
        beside: Some((Traffic { forged: true, prepared_per_second: 60_000, ..Traffic::PLAIN }, 32)),
        concurrencies: &[16],
        turn_millis: 1000,
        includes: |kind| kind.verifies() && !kind.is_variant(),
        reference: Reference::OwnTailAlone,
        goals: &[Goal { server: Kind::Countersign, reference: Reference::OwnTailAlone, target: Target::AtMost(3.0) }],
        ..ADDED
    },
    Scenario {
        title: "TLS",
        conditions: "As plain deliveries, over TLS 1.3 with a P-256 certificate. Three rounds of 0.7 s.",
        traffic: Traffic { protocol: Protocol::Https, ..Traffic::PLAIN },
        includes: Kind::speaks_all,
        reference: Reference::Server(Kind::NginxLua),
        ..ADDED
    },
    Scenario {
        title: "TLS handshakes",
        conditions: "As TLS, but each request opens a connection with a whole handshake and says `Connection: close`. So \
                     the requests per second are handshakes per second. Three rounds of 0.7 s.",
        traffic: Traffic {
            protocol: Protocol::Https,
            connections: Connections::OnePerRequest,
            prepared_per_second: 20_000,
            ..Traffic::PLAIN
        },
        includes: Kind::speaks_all,
        reference: Reference::Server(Kind::NginxLua),
        ..ADDED
    },
    Scenario {
        title: "HTTP/2 without TLS",
        conditions: "As plain deliveries, over HTTP/2 with 16 requests in flight on each connection. The load generator is \
                     another one and needs more time for a request, so compare the CPU time too. Three rounds of 0.7 s.",
        traffic: Traffic { protocol: Protocol::H2c, prepared_per_second: 100_000, ..Traffic::PLAIN },
        includes: Kind::speaks_all,
        reference: Reference::Server(Kind::NginxLua),
        ..ADDED
    },
    Scenario {
        title: "HTTP/2 over TLS",
        conditions: "As HTTP/2 without TLS, over TLS 1.3. Three rounds of 0.7 s.",
        traffic: Traffic { protocol: Protocol::H2, prepared_per_second: 100_000, ..Traffic::PLAIN },
        includes: Kind::speaks_all,
        reference: Reference::Server(Kind::NginxLua),
        ..ADDED
    },
    Scenario {
        title: "10,000 requests per second",
        conditions: "As plain deliveries, but at a fixed rate on at most 128 connections. The latency of a request \
                     starts when it is due, even if no connection is idle. A rate below 10,000 means that the server \
                     cannot keep up. Three rounds of 0.7 s.",
        traffic: Traffic { rate: Some(10_000), prepared_per_second: 10_001, ..Traffic::PLAIN },
        concurrencies: &[128],
        ..ADDED
    },
    Scenario {
        title: "Two threads",
        conditions: "As plain deliveries, through the gateway with one thread on core 0, and with two threads on both \
                     cores, which they share with the load generator and the backend. So the requests per second \
                     cannot double here. Compare the CPU time for each request: it grows if threads disturb each \
                     other. Three rounds of 0.7 s.",
        concurrencies: &[128],
        includes: |kind| [Kind::Countersign, Kind::TwoThreads].contains(&kind),
        reference: Reference::Server(Kind::Countersign),
        ..ADDED
    },
    Scenario {
        title: "Durable inbox",
        conditions: "As plain deliveries, to a route that stores each delivery in an SQLite file in memory, responds with \
                     202 and delivers it afterwards. Its time lasts until everything is delivered. The latency ends with \
                     the response. Six rounds of 1 s.",
        concurrencies: &[32, 128],
        rounds: 6,
        turn_millis: 1000,
        includes: |kind| [Kind::Countersign, Kind::Inbox].contains(&kind),
        reference: Reference::Server(Kind::Countersign),
        goals: &[Goal {
            server: Kind::Inbox,
            reference: Reference::Server(Kind::Countersign),
            target: Target::AtLeast(0.6),
        }],
        ..ADDED
    },
    Scenario {
        title: "Durable inbox, 2,000 requests per second",
        conditions: "As the durable inbox, but at a fixed rate, with the file on the disk of the target folder, so that each \
                     response waits for a sync. Three rounds of 2 s.",
        traffic: Traffic { rate: Some(2000), prepared_per_second: 2001, ..Traffic::PLAIN },
        concurrencies: &[128],
        turn_millis: 2000,
        includes: |kind| [Kind::Countersign, Kind::InboxOnDisk].contains(&kind),
        reference: Reference::Server(Kind::Countersign),
        ..ADDED
    },
];

/// The common part of the scenarios besides plain deliveries.
const ADDED: Scenario<Kind> = Scenario {
    title: "",
    conditions: "",
    traffic: Traffic::PLAIN,
    beside: None,
    concurrencies: &[32],
    rounds: 3,
    turn_millis: 700,
    includes: |kind| kind != Kind::TunedProxy && !kind.is_variant(),
    reference: Reference::Server(Kind::BareProxy),
    goals: &[],
};

/// A target for the gateway's requests per second, as a ratio to those of a peer.
const fn at_least(ratio: f64, peer: Kind) -> Goal<Kind> {
    Goal { server: Kind::Countersign, reference: Reference::Server(peer), target: Target::AtLeast(ratio) }
}
