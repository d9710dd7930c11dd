//! The rounds of servers as a table.

use crate::report::{Report, Target};
use crate::rounds::{CONCURRENCIES, Results};
use crate::servers::{Kind, Server};

/// Adds a row to `report` for each server and concurrency, with ratios to `reference`, and publishes it.
pub fn publish<K: Kind>(
    mut report: Report,
    servers: &[Server<K>],
    results: &Results<K>,
    reference: K,
    target: impl Fn(K) -> Option<Target>,
) {
    report.columns(&["server", "concurrency", "ratio", "target", "", "requests/s", "p50 µs", "p99 µs"]);
    for concurrency in CONCURRENCIES {
        for kind in servers.iter().map(Server::kind) {
            let ratio = results.ratio(concurrency, kind, reference);
            let target = target(kind);
            let median = |measure| format!("{:.0}", results.spread(concurrency, kind, measure).median);
            report.row(&[
                kind.name().to_owned(),
                concurrency.to_string(),
                ratio.to_string(),
                target.map(|target| target.to_string()).unwrap_or_default(),
                target.map(|target| target.verdict(ratio)).unwrap_or_default().to_owned(),
                median(|turn| turn.requests_per_second),
                median(|turn| turn.p50_micros),
                median(|turn| turn.p99_micros),
            ]);
        }
    }
    report.publish();
}
