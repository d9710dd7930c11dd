//! The results of scenarios as tables.

use crate::report::{Bar, Chart, Report};
use crate::rounds::{Results, Turn};
use crate::scenario::Scenario;
use crate::servers::Kind;

/// Adds a section to `report` for each scenario, and publishes it.
pub fn publish<K: Kind>(mut report: Report, results: &[Results<K>]) {
    for part in results.chunk_by(|one, next| std::ptr::eq(one.scenario, next.scenario)) {
        let scenario = part[0].scenario;
        report.section(scenario.title, scenario.conditions);
        measurements(&mut report, scenario, part);
        goals(&mut report, scenario, part);
        for result in part {
            charts(&mut report, result);
            report.raw(result.raw());
        }
    }
    report.publish();
}

fn measurements<K: Kind>(report: &mut Report, scenario: &Scenario<K>, results: &[Results<K>]) {
    let ratio = format!("{}, as a ratio to {}", scenario.reference.figure(), scenario.reference.name());
    report.columns(&[
        "server",
        "concurrency",
        &ratio,
        "requests/s",
        "p50 µs",
        "p99 µs",
        "user CPU µs/request",
        "system CPU µs/request",
    ]);
    for result in results {
        for kind in result.servers() {
            let median = |digits: usize, figure: &dyn Fn(&Turn) -> Option<f64>| {
                result.spread(kind, figure).map(|spread| format!("{:.digits$}", spread.median)).unwrap_or_default()
            };
            report.row(&[
                kind.name().to_owned(),
                result.concurrency.to_string(),
                result.ratio(kind, scenario.reference).map(|ratio| ratio.to_string()).unwrap_or_default(),
                median(0, &|turn| Some(turn.measurement.requests_per_second)),
                median(0, &|turn| Some(turn.measurement.p50_micros)),
                median(0, &|turn| Some(turn.measurement.p99_micros)),
                median(1, &|turn| turn.cpu_micros(|used| used.user)),
                median(1, &|turn| turn.cpu_micros(|used| used.system)),
            ]);
        }
    }
}

fn goals<K: Kind>(report: &mut Report, scenario: &Scenario<K>, results: &[Results<K>]) {
    if scenario.goals.is_empty() {
        return;
    }
    report.columns(&["server", "compared with", "concurrency", "ratio", "target", ""]);
    for goal in scenario.goals {
        for result in results {
            let measured = result.ratio(goal.server, goal.reference);
            report.row(&[
                goal.server.name().to_owned(),
                goal.reference.name().to_owned(),
                result.concurrency.to_string(),
                measured.map_or_else(|| "not measured".to_owned(), |ratio| ratio.to_string()),
                goal.target.to_string(),
                measured.map(|ratio| goal.target.verdict(ratio)).unwrap_or_default().to_owned(),
            ]);
        }
    }
}

/// Requests per second, or latencies at a fixed rate, and CPU time for each request.
fn charts<K: Kind>(report: &mut Report, result: &Results<K>) {
    let at = |what: &str| format!("{what} at concurrency {}", result.concurrency);
    let bars = |figure: &dyn Fn(&Turn) -> Option<f64>| -> Vec<Bar> {
        let bar = |kind: K| Some(Bar::of(kind.name(), result.spread(kind, figure)?));
        result.servers().filter_map(bar).collect()
    };
    let (title, unit, bars) = match result.scenario.traffic.rate {
        None => ("Requests per second", "1/s", bars(&|turn| Some(turn.measurement.requests_per_second))),
        Some(_) => ("99th percentile of the latency", "µs", bars(&|turn| Some(turn.measurement.p99_micros))),
    };
    report.chart(Chart { title: at(title), unit: unit.into(), parts: vec![title.into()], bars });

    let cpu = |kind: K| -> Option<Bar> {
        let median = |part| Some(result.spread(kind, |turn| turn.cpu_micros(part))?.median);
        let lengths = vec![median(|used| used.user)?, median(|used| used.system)?];
        Some(Bar { label: kind.name().into(), lengths, range: None })
    };
    let bars: Vec<Bar> = result.servers().filter_map(cpu).collect();
    if !bars.is_empty() {
        let parts = ["user", "system"].map(str::to_owned).to_vec();
        report.chart(Chart { title: at("CPU time for each request"), unit: "µs".into(), parts, bars });
    }
}
