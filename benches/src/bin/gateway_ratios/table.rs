//! The rounds as a table.

use countersign_benches::report::{Report, Target};

use crate::CONCURRENCIES;
use crate::round::Results;
use crate::servers::{Kind, Server};

const GATEWAY_TARGET: Target = Target::AtLeast(1.6);

pub(crate) fn publish(servers: &[Server], results: &Results) {
    let mut report = Report::new(
        "gateway",
        "Gateway: 252-byte bodies, one core for the server",
        "Requests a second, as a ratio to those of a bare pingora-proxy within the same round: the median \
         of six rounds of 1.5 s, and their range. Every delivery is new; every answer was a 2xx.",
    );
    report.columns(&["server", "concurrency", "ratio", "target", "", "requests/s", "p50 µs", "p99 µs"]);
    for concurrency in CONCURRENCIES {
        for server in servers {
            let ratio = results.ratio(concurrency, server.kind, Kind::BareProxy);
            let (target, verdict) = match server.kind {
                Kind::Countersign => (GATEWAY_TARGET.to_string(), GATEWAY_TARGET.verdict(ratio)),
                _ => (String::new(), ""),
            };
            let median = |measure| format!("{:.0}", results.spread(concurrency, server.kind, measure).median);
            report.row(&[
                server.kind.name().to_owned(),
                concurrency.to_string(),
                ratio.to_string(),
                target,
                verdict.to_owned(),
                median(|turn| turn.requests_per_second),
                median(|turn| turn.p50_micros),
                median(|turn| turn.p99_micros),
            ]);
        }
    }
    report.publish();
}
