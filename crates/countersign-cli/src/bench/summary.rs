//! What became of the requests of a run, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::latencies::Latencies;
use super::load::Load;
use crate::output::shown;
use crate::post::Receipt;

/// How many different outcomes are counted. More of them count as one.
const MAX_OUTCOMES: usize = 64;
/// The longest reason, in characters.
const MAX_REASON: usize = 80;
const PERCENTILES: [u64; 3] = [50, 90, 99];

/// The status of a response, if there was one, and the reason.
type Outcome = (Option<u16>, String);

/// Latencies and outcomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    latencies: Latencies,
    /// The most that a request began later than it was due.
    latest: Duration,
    outcomes: BTreeMap<Outcome, u64>,
}

impl Counts {
    pub(super) fn record(&mut self, latency: Duration, late: Duration, result: &Result<Receipt, String>) {
        self.latencies.record(latency);
        self.latest = self.latest.max(late);
        self.count(outcome(result), 1);
    }

    #[cfg(test)]
    pub(super) fn longest(&self) -> Duration {
        self.latencies.max()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies);
        self.latest = self.latest.max(other.latest);
        for (outcome, count) in &other.outcomes {
            self.count(outcome.clone(), *count);
        }
    }

    fn count(&mut self, outcome: Outcome, count: u64) {
        let is_full = self.outcomes.len() >= MAX_OUTCOMES && !self.outcomes.contains_key(&outcome);
        let outcome = if is_full { (outcome.0, "other".into()) } else { outcome };
        *self.outcomes.entry(outcome).or_default() += count;
    }
}

/// The reason is the code of the problem document, the outcome of a gateway, or why there is no response.
fn outcome(result: &Result<Receipt, String>) -> Outcome {
    let (status, reason) = match result {
        Ok(receipt) => {
            let code = receipt.problem.as_ref().and_then(|problem| problem.code.as_deref());
            (Some(receipt.status.as_u16()), code.or(receipt.outcome.as_deref()).unwrap_or_default())
        }
        Err(error) => (None, error.as_str()),
    };
    (status, shown(&reason.chars().take(MAX_REASON).collect::<String>()))
}

/// The result of a run.
pub(crate) struct Summary<'r> {
    pub(crate) url: &'r str,
    pub(crate) load: Load,
    pub(crate) counts: &'r Counts,
    pub(crate) elapsed: Duration,
}

impl Summary<'_> {
    /// Whether there was a response to every request, and each was 2xx.
    pub(crate) fn is_success(&self) -> bool {
        self.requests() > 0
            && self.counts.outcomes.keys().all(|(status, _)| status.is_some_and(|status| status / 100 == 2))
    }

    fn requests(&self) -> u64 {
        self.counts.latencies.total()
    }

    #[expect(clippy::cast_precision_loss, reason = "it is shown to one decimal place")]
    fn per_second(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub(crate) fn to_text(&self) -> String {
        let Self { url, load, counts, elapsed } = self;
        let mut text = format!(
            "{}: {} requests in {:.1} s, {:.1} per second, at most {} at a time\n",
            shown(url),
            self.requests(),
            elapsed.as_secs_f64(),
            self.per_second(),
            load.concurrency,
        );
        text.push_str("latency ");
        for percent in PERCENTILES {
            let _ = write!(text, "  p{percent} {}", millis(counts.latencies.percentile(percent)));
        }
        let _ = writeln!(text, "  max {}", millis(counts.latencies.max()));
        if let Some(rate) = load.pace.rate {
            let latest = millis(counts.latest);
            let _ = writeln!(
                text,
                "  from the time at which each was due, at {rate} per second; the latest began {latest} late"
            );
        }
        text.push_str("outcomes\n");
        for ((status, reason), count) in &counts.outcomes {
            let status = status.map_or_else(|| "no response:".into(), |status| status.to_string());
            let _ = writeln!(text, "{count:>9}  {}", format!("{status} {reason}").trim_end());
        }
        text
    }

    pub(crate) fn to_json(&self) -> Value {
        let Self { url, load, counts, elapsed } = self;
        let of = |percent| in_millis(counts.latencies.percentile(percent));
        let outcomes = counts.outcomes.iter().map(|((status, reason), count)| {
            json!({ "status": status, "reason": Some(reason).filter(|reason| !reason.is_empty()), "count": count })
        });
        json!({
            "url": url,
            "requests": self.requests(),
            "seconds": elapsed.as_secs_f64(),
            "per_second": self.per_second(),
            "concurrency": load.concurrency,
            "rate": load.pace.rate,
            "latency_ms": { "p50": of(50), "p90": of(90), "p99": of(99), "max": in_millis(counts.latencies.max()) },
            "latest_start_ms": load.pace.rate.map(|_| in_millis(counts.latest)),
            "outcomes": outcomes.collect::<Vec<_>>(),
        })
    }
}

fn in_millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", in_millis(duration))
}

#[cfg(test)]
mod tests {
    use super::super::pace::Pace;
    use super::*;

    #[test]
    fn outcomes_are_counted_within_a_limit() {
        let mut counts = Counts::default();
        for number in 0..MAX_OUTCOMES + 10 {
            counts.record(Duration::from_millis(2), Duration::ZERO, &Err(format!("error {number}\u{1b}")));
        }
        let pace = Pace { rate: None, duration: None, requests: Some(1) };
        let load = Load { pace, concurrency: 1 };
        let summary = Summary { url: "http://a/", load, counts: &counts, elapsed: Duration::from_secs(2) };
        assert!(!summary.is_success());
        let text = summary.to_text();
        assert!(text.starts_with("http://a/: 74 requests in 2.0 s, 37.0 per second, at most 1 at a time\n"), "{text}");
        assert!(text.contains("       10  no response: other\n") && !text.contains('\u{1b}'), "{text}");
        assert!(text.contains("  p50 2.0 ms  p90 2.0 ms  p99 2.0 ms  max 2.0 ms\n"), "{text}");
    }
}
