//! What became of the requests of a run, as text and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::counts::Counts;
use super::load::Load;
use crate::output::shown;

const PERCENTILES: [u64; 3] = [50, 90, 99];

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
        for number in 0..74 {
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
