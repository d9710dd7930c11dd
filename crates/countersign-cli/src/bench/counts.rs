//! The latencies and outcomes of requests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::latencies::Latencies;
use crate::output::shown;
use crate::post::Receipt;

/// How many different outcomes are counted. More of them count as one.
const MAX_OUTCOMES: usize = 64;
/// The longest reason, in characters.
const MAX_REASON: usize = 80;

/// The status of a response, if there was one, and the reason.
pub(super) type Outcome = (Option<u16>, String);

/// Latencies and outcomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(super) latencies: Latencies,
    /// The most that a request began later than it was due.
    pub(super) latest: Duration,
    pub(super) outcomes: BTreeMap<Outcome, u64>,
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
