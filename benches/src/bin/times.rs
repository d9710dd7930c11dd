//! Collects what criterion measured into one table.

use std::error::Error;
use std::fs;

use countersign_benches::report::{self, Report, Target};
use countersign_benches::spread::Spread;
use serde::Deserialize;

/// Group, benchmark, and the most nanoseconds that it should take.
const MEASURED: [(&str, &str, Option<f64>); 14] = [
    ("v1/200B", "bare_hmac", None),
    ("v1/200B", "countersign", None),
    ("v1/200B", "standardwebhooks", None),
    ("v1/20KiB", "bare_hmac", None),
    ("v1/20KiB", "countersign", None),
    ("v1/20KiB", "standardwebhooks", None),
    ("v1/refused/200B", "signature_mismatch", None),
    ("v1/refused/200B", "of_32_signatures", None),
    ("store/1M", "claim_and_confirm", Some(600.0)),
    ("store/1M", "claim_and_release", None),
    ("store/1M", "claim_of_a_duplicate", None),
    ("store/10M", "claim_and_confirm", Some(900.0)),
    ("store/10M", "claim_and_release", None),
    ("store/10M", "claim_of_a_duplicate", None),
];

/// The part of criterion's `estimates.json` that is read.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut report = Report::new(
        "times",
        "Absolute times, one core",
        "Nanoseconds by criterion: the median, with its 95 % confidence interval.",
    );
    report.columns(&["benchmark", "ns", "target", ""]);
    for (group, name, limit) in MEASURED {
        let time = read(group, name).map_err(|error| format!("{group}/{name}: {error}"))?;
        let target = limit.map(Target::AtMost);
        report.row(&[
            format!("{group}/{name}"),
            format!("{time:.0}"),
            target.map(|target| target.to_string()).unwrap_or_default(),
            target.map(|target| target.verdict(time)).unwrap_or_default().to_owned(),
        ]);
    }
    report.publish();
    Ok(())
}

fn read(group: &str, name: &str) -> Result<Spread, Box<dyn Error>> {
    let folder = report::target_dir().join("criterion").join(group.replace('/', "_")).join(name);
    let Estimates { median } = serde_json::from_slice(&fs::read(folder.join("new").join("estimates.json"))?)?;
    let Interval { lower_bound, upper_bound } = median.confidence_interval;
    Ok(Spread { low: lower_bound, median: median.point_estimate, high: upper_bound })
}
