//! The open deliveries, in the order in which they are due, and the last ones that ended.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use countersign::{MessageId, UnixTime};

use crate::delivery::{Attempt, AttemptOutcome, Delivery, Ending, Status};

/// How many attempts of a delivery are kept. A schedule makes 14; redelivery by hand adds more.
const MAX_ATTEMPTS: usize = 100;

/// The number of a delivery, in the order of creation.
pub(crate) type Number = u64;

#[derive(Debug)]
pub(crate) struct Outbox {
    deliveries: BTreeMap<Number, Delivery>,
    by_id: HashMap<MessageId, Number>,
    /// May hold entries that are out of date: the delivery decides.
    due: BinaryHeap<Reverse<(UnixTime, Number)>>,
    ended: VecDeque<Number>,
    /// The size of all bodies. A body that several deliveries share counts once for each.
    bytes: usize,
    limits: Limits,
    next: Number,
    totals: Totals,
}

/// The limits of an outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The maximum number of open deliveries.
    pub(crate) open: usize,
    /// The maximum number of ended deliveries that are kept.
    pub(crate) ended: usize,
    /// The maximum size of all bodies, in bytes.
    pub(crate) bytes: usize,
}

/// Counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Deliveries created.
    pub deliveries: u64,
    /// Attempts made.
    pub attempts: u64,
    /// Events that were dropped because too many deliveries were open.
    pub events_without_room: u64,
    /// Deliveries that have not ended.
    pub open: u64,
    /// Ended deliveries by ending. A redelivered one counts each time it ends.
    pub ended: BTreeMap<Ending, u64>,
}

impl Outbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            deliveries: BTreeMap::new(),
            by_id: HashMap::new(),
            due: BinaryHeap::new(),
            ended: VecDeque::new(),
            bytes: 0,
            limits,
            next: 1,
            totals: Totals::default(),
        }
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether there is room for this many more deliveries, with bodies of `bytes` bytes each.
    pub(crate) fn has_room(&self, deliveries: usize, bytes: usize) -> bool {
        let open = self.deliveries.len() - self.ended.len();
        let bytes = self.bytes.saturating_add(bytes.saturating_mul(deliveries));
        // Ended deliveries still count here; they are removed when the next one ends.
        open.saturating_add(deliveries) <= self.limits.open && bytes <= self.limits.bytes.saturating_mul(2)
    }

    /// Counts an event that there was no room for.
    pub(crate) fn count_dropped_event(&mut self) {
        self.totals.events_without_room += 1;
    }

    /// Adds a waiting delivery.
    pub(crate) fn add(&mut self, delivery: Delivery) {
        let number = self.next;
        self.next += 1;
        if let Status::Waiting { until } = delivery.status {
            self.due.push(Reverse((until, number)));
        }
        self.by_id.insert(delivery.id.clone(), number);
        self.bytes += delivery.body.len();
        self.deliveries.insert(number, delivery);
        self.totals.deliveries += 1;
        self.totals.open += 1;
    }

    /// When the next delivery is due.
    pub(crate) fn next_due(&mut self) -> Option<UnixTime> {
        while let Some(Reverse((at, number))) = self.due.peek().copied() {
            if self.is_waiting(number, at) {
                return Some(at);
            }
            self.due.pop();
        }
        None
    }

    /// Takes the next delivery that is due by now, and marks it as in flight.
    pub(crate) fn start(&mut self, now: UnixTime) -> Option<Number> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse((_, number)) = self.due.pop()?;
        self.deliveries.get_mut(&number)?.status = Status::InFlight;
        Some(number)
    }

    pub(crate) fn get(&self, number: Number) -> Option<&Delivery> {
        self.deliveries.get(&number)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Number> {
        self.by_id.get(&MessageId::parse(id).ok()?).copied()
    }

    /// Records an attempt.
    pub(crate) fn record(&mut self, number: Number, attempt: Attempt) {
        let Some(delivery) = self.deliveries.get_mut(&number) else { return };
        if delivery.attempts.len() >= MAX_ATTEMPTS {
            delivery.attempts.remove(0);
        }
        // Excerpts of all attempts would add up.
        if let Some(Attempt { outcome: AttemptOutcome::Response { excerpt, .. }, .. }) = delivery.attempts.last_mut() {
            *excerpt = None;
        }
        delivery.attempts.push(attempt);
        self.totals.attempts += 1;
    }

    /// Schedules the next attempt of a delivery.
    pub(crate) fn wait(&mut self, number: Number, until: UnixTime) {
        let Some(delivery) = self.deliveries.get_mut(&number) else { return };
        if matches!(delivery.status, Status::Ended(_)) {
            self.ended.retain(|ended| *ended != number);
            self.totals.open += 1;
        }
        delivery.status = Status::Waiting { until };
        self.due.push(Reverse((until, number)));
    }

    /// Clears the mark that a delivery is to be sent once more.
    pub(crate) fn clear_repeat(&mut self, number: Number) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.is_repeated = false;
        }
    }

    /// Ends a delivery.
    pub(crate) fn end(&mut self, number: Number, ending: Ending) {
        let Some(delivery) = self.deliveries.get_mut(&number) else { return };
        delivery.status = Status::Ended(ending);
        self.ended.push_back(number);
        self.totals.open -= 1;
        *self.totals.ended.entry(ending).or_default() += 1;
    }

    /// Forgets the deliveries that ended first, if there are too many.
    pub(crate) fn trim(&mut self) {
        while self.ended.len() > self.limits.ended || self.bytes > self.limits.bytes {
            let Some(oldest) = self.ended.pop_front().and_then(|oldest| self.deliveries.remove(&oldest)) else { break };
            self.by_id.remove(&oldest.id);
            self.bytes -= oldest.body.len();
        }
    }

    /// The deliveries numbered below `before`, newest first.
    pub(crate) fn newest_first(&self, before: Number) -> impl Iterator<Item = (Number, &Delivery)> {
        self.deliveries.range(..before).rev().map(|(number, delivery)| (*number, delivery))
    }

    fn is_waiting(&self, number: Number, at: UnixTime) -> bool {
        self.deliveries.get(&number).is_some_and(|delivery| delivery.status == Status::Waiting { until: at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;
    use crate::project::ProjectId;

    const LIMITS: Limits = Limits { open: 100, ended: 10, bytes: 1000 };

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    fn add(outbox: &mut Outbox, due: u64) -> Number {
        let id = ids::message(&mut fastrand::Rng::with_seed(outbox.next));
        outbox.add(Delivery {
            id,
            project: ProjectId::FIRST,
            event_type: "batch.failed".into(),
            uri: http::Uri::from_static("http://127.0.0.1:1/"),
            webhook: None,
            body: bytes::Bytes::from_static(&[b'x'; 100]),
            created: at(0),
            status: Status::Waiting { until: at(due) },
            is_repeated: false,
            attempts: Vec::new(),
        });
        outbox.next - 1
    }

    #[test]
    fn deliveries_start_when_they_are_due_and_in_that_order() {
        let mut outbox = Outbox::new(LIMITS);
        let (late, soon) = (add(&mut outbox, 20), add(&mut outbox, 10));
        assert_eq!((outbox.next_due(), outbox.start(at(9))), (Some(at(10)), None));
        assert_eq!((outbox.start(at(30)), outbox.start(at(30)), outbox.start(at(30))), (Some(soon), Some(late), None));
        outbox.wait(late, at(40));
        // A delivery in flight is not due, and an outdated entry is skipped.
        outbox.wait(soon, at(35));
        outbox.wait(soon, at(50));
        assert_eq!((outbox.start(at(60)), outbox.start(at(60)), outbox.start(at(60))), (Some(late), Some(soon), None));
    }

    #[test]
    fn only_the_last_ones_that_ended_are_kept_and_none_that_is_open() {
        let mut outbox = Outbox::new(Limits { ended: 3, ..LIMITS });
        let open = add(&mut outbox, 5);
        for _ in 0..10 {
            let number = add(&mut outbox, 1);
            assert_eq!(outbox.start(at(1)), Some(number));
            outbox.end(number, Ending::Delivered);
            outbox.trim();
        }
        assert_eq!((outbox.deliveries.len(), outbox.by_id.len(), outbox.bytes), (4, 4, 400));
        assert!(outbox.get(open).is_some());
        assert_eq!(outbox.totals().ended[&Ending::Delivered], 10);
        assert_eq!((outbox.totals().deliveries, outbox.totals().open), (11, 1));
    }

    #[test]
    fn bodies_are_bounded_together() {
        let mut outbox = Outbox::new(LIMITS);
        for _ in 0..15 {
            add(&mut outbox, 1);
        }
        assert!(outbox.has_room(5, 100) && !outbox.has_room(6, 100) && !outbox.has_room(1, 501));
        assert!(outbox.has_room(85, 1) && !outbox.has_room(86, 0) && !outbox.has_room(usize::MAX, usize::MAX));
        for _ in 0..15 {
            let number = outbox.start(at(1)).expect("it is due");
            outbox.end(number, Ending::Delivered);
            outbox.trim();
        }
        assert!((outbox.bytes, outbox.ended.len()) <= (1000, 10));
    }

    #[test]
    fn what_ended_can_be_delivered_again() {
        let mut outbox = Outbox::new(Limits { ended: 3, ..LIMITS });
        let number = add(&mut outbox, 1);
        assert_eq!(outbox.start(at(1)), Some(number));
        outbox.end(number, Ending::GivenUp);
        outbox.wait(number, at(2));
        assert_eq!((outbox.totals().open, outbox.start(at(2))), (1, Some(number)));
        outbox.end(number, Ending::Delivered);
        assert_eq!(outbox.totals().open, 0);
    }
}
