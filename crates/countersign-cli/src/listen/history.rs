//! The last requests, within a number and a size.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::received::Received;

/// How many requests are kept.
const MAX_REQUESTS: usize = 100;
/// How many bytes their bodies have in total.
const MAX_BYTES: usize = 64 << 20;

/// The last requests, numbered from 1 in the order of their arrival.
#[derive(Default)]
pub(super) struct History {
    kept: VecDeque<Received>,
    /// How many were forgotten.
    forgotten: usize,
    bytes: usize,
}

impl History {
    /// Keeps a request, forgets the oldest ones if there is no room for it, and returns its number.
    pub(super) fn add(&mut self, received: Received) -> usize {
        self.bytes += received.capture.body.len();
        self.kept.push_back(received);
        while self.kept.len() > MAX_REQUESTS || (self.bytes > MAX_BYTES && self.kept.len() > 1) {
            if let Some(oldest) = self.kept.pop_front() {
                self.bytes -= oldest.capture.body.len();
                self.forgotten += 1;
            }
        }
        self.forgotten + self.kept.len()
    }

    /// The request with this number, if it is still kept.
    pub(super) fn get(&self, number: usize) -> Option<&Received> {
        self.kept.get(number.checked_sub(self.forgotten + 1)?)
    }

    /// The numbers of the kept requests.
    pub(super) fn numbers(&self) -> RangeInclusive<usize> {
        self.forgotten + 1..=self.forgotten + self.kept.len()
    }

    /// The number of the first kept request with the same verified message, if this one is a duplicate.
    pub(super) fn duplicate_of(&self, number: usize) -> Option<usize> {
        let id = self.get(number)?.result.as_ref().ok()?.message_id();
        let has_id = |earlier: &usize| {
            let result = self.get(*earlier).and_then(|received| received.result.as_ref().ok());
            result.is_some_and(|verified| verified.message_id() == id)
        };
        (self.forgotten + 1..number).find(has_id)
    }
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use countersign_explain::Capture;
    use http::{HeaderMap, Method, StatusCode};

    use super::super::received::Problem;
    use super::*;

    fn received(len: usize) -> Received {
        Received {
            method: Method::POST,
            path: "/".into(),
            arrived_at: UnixTime::from_secs(0),
            capture: Capture::new(HeaderMap::new(), vec![0; len]),
            result: Err(Problem::NotAWebhook { code: "x", detail: String::new() }),
            forwarded: None,
            status: StatusCode::OK,
        }
    }

    #[test]
    fn the_oldest_requests_are_forgotten_by_number_and_by_size() {
        let mut history = History::default();
        for number in 1..=MAX_REQUESTS + 2 {
            assert_eq!(history.add(received(1)), number);
        }
        assert_eq!(history.numbers(), 3..=MAX_REQUESTS + 2);
        assert!(history.get(2).is_none() && history.get(3).is_some() && history.get(MAX_REQUESTS + 3).is_none());

        let number = history.add(received(MAX_BYTES));
        assert_eq!(history.numbers(), number..=number);
        assert!(history.get(0).is_none() && history.get(number).is_some());
    }
}
