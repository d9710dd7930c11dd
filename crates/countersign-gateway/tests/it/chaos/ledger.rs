//! What each side has seen, and whether it fits together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after the handling of a message a disturbance explains that it is handled again.
const EXPLAINED: Duration = Duration::from_secs(1);

/// The ledgers of senders, gateways and backend.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
pub(super) struct Entries {
    /// The messages that a gateway has acknowledged.
    pub(super) acknowledged: BTreeSet<usize>,
    /// When the backend has handled each message.
    pub(super) handled: BTreeMap<usize, Vec<Instant>>,
    /// Requests that the backend should never get: forged, or with another body than was sent.
    pub(super) intruders: Vec<String>,
    /// Responses to genuine and to forged requests, by status.
    pub(super) responses: BTreeMap<(&'static str, String), u64>,
    /// What was done, and how often.
    pub(super) done: BTreeMap<&'static str, u64>,
    /// What may cause a message to be handled again, and when it lasted.
    pub(super) disturbances: Vec<(&'static str, Instant, Option<Instant>)>,
    /// The longest time until both gateways were ready again.
    pub(super) longest_unready: Duration,
    pub(super) most_memory: usize,
    pub(super) most_files: usize,
}

impl Ledger {
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    pub(super) fn responded(&mut self, to: &'static str, status: Option<u16>) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        *self.responses.entry((to, status)).or_default() += 1;
    }

    /// Records the response to a message. Returns whether it acknowledges the message.
    pub(super) fn settled(&mut self, number: usize, to: &'static str, status: Option<u16>) -> bool {
        self.responded(to, status);
        let is_acknowledged = status.is_some_and(|status| (200..300).contains(&status));
        if is_acknowledged {
            self.acknowledged.insert(number);
        }
        is_acknowledged
    }

    pub(super) fn begin(&mut self, cause: &'static str, now: Instant) {
        self.disturbances.push((cause, now, None));
    }

    pub(super) fn end(&mut self, cause: &'static str, now: Instant) {
        let open = self.disturbances.iter_mut().rev().find(|(name, _, end)| *name == cause && end.is_none());
        if let Some((_, _, end)) = open {
            *end = Some(now);
        }
    }

    /// The messages that are acknowledged and not handled.
    pub(super) fn lost(&self) -> Vec<usize> {
        self.acknowledged.iter().copied().filter(|number| !self.handled.contains_key(number)).collect()
    }

    /// How many messages were handled again, by cause, and those without one.
    pub(super) fn again(&self) -> (BTreeMap<&'static str, u64>, Vec<usize>) {
        let (mut explained, mut unexplained) = (BTreeMap::new(), Vec::new());
        for (number, times) in &self.handled {
            for pair in times.windows(2) {
                match self.cause(pair[0]) {
                    Some(cause) => *explained.entry(cause).or_default() += 1,
                    None => unexplained.push(*number),
                }
            }
        }
        (explained, unexplained)
    }

    /// The disturbance that came between this handling and the record of it.
    fn cause(&self, handled: Instant) -> Option<&'static str> {
        let overlaps = |from: Instant, to: Option<Instant>| {
            from < handled + EXPLAINED && to.is_none_or(|to| to + Duration::from_millis(100) > handled)
        };
        let found = self.disturbances.iter().find(|(_, from, to)| overlaps(*from, *to));
        found.map(|(cause, ..)| *cause)
    }

    /// A table of everything.
    pub(super) fn table(&self, title: &str) -> String {
        let mut rows = Vec::new();
        for (what, times) in &self.done {
            rows.push((format!("{what}, times"), times.to_string()));
        }
        rows.push(("messages acknowledged".into(), self.acknowledged.len().to_string()));
        rows.push(("messages handled".into(), self.handled.len().to_string()));
        rows.push(("acknowledged and lost".into(), self.lost().len().to_string()));
        let (explained, unexplained) = self.again();
        rows.extend(
            explained.iter().map(|(cause, count)| (format!("handled again after: {cause}"), count.to_string())),
        );
        rows.push(("handled again without a cause".into(), unexplained.len().to_string()));
        rows.push(("forged or altered, at the backend".into(), self.intruders.len().to_string()));
        let responses = self.responses.iter();
        rows.extend(responses.map(|((to, status), count)| (format!("responses to {to}: {status}"), count.to_string())));
        rows.push(("longest time until ready".into(), format!("{:.1} s", self.longest_unready.as_secs_f64())));
        rows.push(("most memory of a gateway".into(), format!("{} MiB", self.most_memory >> 20)));
        rows.push(("most open files of a gateway".into(), self.most_files.to_string()));
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut text = format!("| {title:<width$} | {:>8} |\n| {:-<width$} | {:->8} |\n", "", "", "");
        for (name, value) in rows {
            let _ = writeln!(text, "| {name:<width$} | {value:>8} |");
        }
        text
    }
}

#[test]
fn what_is_lost_and_what_is_handled_again_without_a_cause_is_found() {
    use countersign::clock::{Clock as _, SystemClock};

    let start = SystemClock.instant();
    let at = |millis| start + Duration::from_millis(millis);
    let mut entries = Entries { acknowledged: BTreeSet::from([1, 2, 3]), ..Entries::default() };
    entries.handled = BTreeMap::from([(1, vec![at(0)]), (2, vec![at(5000), at(6000)]), (4, vec![at(9000), at(9500)])]);
    assert_eq!(entries.lost(), [3]);
    assert_eq!(entries.again(), (BTreeMap::new(), vec![2, 4]));
    entries.begin("kill", at(5200));
    entries.end("kill", at(5300));
    assert_eq!(entries.again(), (BTreeMap::from([("kill", 1)]), vec![4]));
    let table = entries.table("seed 7");
    assert!(
        table.contains("| acknowledged and lost ") && table.lines().all(|line| line.len() == table.find('\n').unwrap())
    );
}
