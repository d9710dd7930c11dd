//! The output of a running emulator: a line for each attempt, and on a terminal one line for a burst.

use countersign_emulator::{AttemptReport, Ending, Totals};

use crate::output::shown;

/// More open deliveries than this are a burst.
const BURST: u64 = 100;
/// The line of a burst is updated after this many attempts.
const STEP: u64 = 50;

/// The state of the output.
#[derive(Debug)]
pub(crate) struct Progress {
    is_terminal: bool,
    /// The totals before the current burst.
    burst: Option<Totals>,
}

impl Progress {
    pub(crate) fn new(is_terminal: bool) -> Self {
        Self { is_terminal, burst: None }
    }

    /// The text to print after an attempt.
    pub(crate) fn after(&mut self, report: &AttemptReport) -> String {
        let totals = &report.totals;
        if self.is_terminal && self.burst.is_none() && totals.open > BURST {
            self.burst = Some(before(report));
        }
        match &self.burst {
            None => format!("{}\n", shown(&report.to_string())),
            Some(before) if totals.open == 0 => {
                let line = format!("\r{}\n", burst(before, totals));
                self.burst = None;
                line
            }
            Some(before) if totals.attempts.is_multiple_of(STEP) => format!("\r{}", burst(before, totals)),
            Some(_) => String::new(),
        }
    }
}

/// The totals before this attempt, which is the first of a burst.
fn before(report: &AttemptReport) -> Totals {
    let mut before = report.totals.clone();
    before.attempts -= 1;
    if let Some(count) = report.ending.and_then(|ending| before.ended.get_mut(&ending)) {
        *count -= 1;
    }
    before
}

fn burst(before: &Totals, now: &Totals) -> String {
    let ended = |ending| {
        let count = |totals: &Totals| totals.ended.get(&ending).copied().unwrap_or_default();
        count(now) - count(before)
    };
    let delivered = ended(Ending::Delivered);
    let others: u64 = [Ending::GivenUp, Ending::Gone, Ending::Dropped].into_iter().map(ended).sum();
    let (attempts, all) = (now.attempts - before.attempts, delivered + others + now.open);
    // Padded, so that a shorter line covers a longer one.
    let line = format!(
        "burst: {delivered} of {all} delivered, {} open, {others} not delivered, {attempts} attempts",
        now.open
    );
    format!("{line:<90}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(attempts: u64, open: u64, delivered: u64) -> Totals {
        let mut totals = Totals::default();
        (totals.attempts, totals.open) = (attempts, open);
        totals.ended.insert(Ending::Delivered, delivered);
        totals
    }

    #[test]
    fn a_burst_is_counted_from_where_it_began() {
        let line = burst(&totals(1000, 200, 900), &totals(1110, 95, 1005));
        assert_eq!(line.trim_end(), "burst: 105 of 200 delivered, 95 open, 0 not delivered, 110 attempts");
    }
}
