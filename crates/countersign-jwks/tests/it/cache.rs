//! The cache: time in, action out.

use std::time::{Duration, Instant};

use crate::support::{document, document_for, jwk};
use countersign::UnixTime;
use countersign::clock::{Clock, ManualClock};
use countersign_jwks::cache::{
    Action, Cache, Change, Config, DEFAULT_REFRESH, DEMAND_INTERVAL, MAX_REFRESH, MIN_REFRESH, State,
};
use countersign_jwks::{Document, FetchError};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn start() -> Instant {
    ManualClock::new(UnixTime::from_secs(0)).instant()
}

/// A cache that has fetched this document at `now`.
fn holding(document: Document, now: Instant) -> Cache {
    let mut cache = Cache::new(Config::default(), now);
    assert_eq!(cache.poll(now), Action::Fetch);
    assert!(matches!(cache.finished(now, Ok(document)), Some(Change::Up { .. })));
    cache
}

fn down() -> Result<Document, FetchError> {
    Err(FetchError::Status(500))
}

#[test]
fn the_first_fetch_is_due_at_once_and_made_once() {
    let now = start();
    let mut cache = Cache::new(Config::default(), now);
    assert_eq!(cache.state(now), State::Empty);
    assert_eq!(cache.poll(now), Action::Fetch);
    assert_eq!(cache.poll(now), Action::Join);
    assert_eq!(cache.demand(now + DAY), Action::Join);
    assert_eq!(cache.finished(now, Ok(document(&[1, 2]))), Some(Change::Up { keys: 2 }));
    assert_eq!(cache.state(now), State::Fresh);
    assert_eq!(cache.current(now).map(|set| set.len()), Some(2));
    assert_eq!(cache.stats(now).fetches, 1);
}

#[test]
fn a_set_is_refreshed_when_its_publisher_says_within_bounds() {
    let half_of_max_stale = Config::DEFAULT_MAX_STALE / 2;
    let cases = [
        (None, DEFAULT_REFRESH),
        (Some(Duration::ZERO), MIN_REFRESH),
        (Some(Duration::from_secs(59)), MIN_REFRESH),
        (Some(Duration::from_secs(5 * 60 * 60)), Duration::from_secs(5 * 60 * 60)),
        (Some(half_of_max_stale + SECOND), half_of_max_stale),
        (Some(Duration::MAX), half_of_max_stale),
    ];
    for (max_age, after) in cases {
        let now = start();
        let mut cache = holding(Document { max_age, ..document(&[1]) }, now);
        assert_eq!(cache.poll(now), Action::Wait(after), "{max_age:?}");
        assert_eq!(cache.poll(now + SECOND), Action::Wait(after.saturating_sub(SECOND)), "{max_age:?}");
        assert_eq!(cache.poll(now + after), Action::Fetch, "{max_age:?}");
    }
    let now = start();
    let mut cache = Cache::new(Config::default().max_stale(Duration::MAX), now);
    assert_eq!(cache.poll(now), Action::Fetch);
    cache.finished(now, Ok(document_for(&[1], Duration::MAX)));
    assert_eq!(cache.poll(now), Action::Wait(MAX_REFRESH));
}

#[test]
fn failures_back_off_and_are_said_once() {
    let mut now = start();
    let mut cache = Cache::new(Config::default(), now);
    let mut pauses = Vec::new();
    for attempt in 0..100 {
        assert_eq!(cache.poll(now), Action::Fetch);
        let change = cache.finished(now, down());
        assert_eq!(change, (attempt == 0).then_some(Change::Down(FetchError::Status(500))));
        let Action::Wait(pause) = cache.poll(now) else { panic!("a pause comes after a failure") };
        pauses.push(pause.as_secs());
        now += pause;
    }
    assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(pauses[8..].iter().all(|pause| *pause == 60));
    assert_eq!(cache.stats(now).failures, [("status", 100)].into());

    assert_eq!(cache.poll(now), Action::Fetch);
    assert_eq!(cache.finished(now, Ok(document(&[1]))), Some(Change::Up { keys: 1 }));
    now += DEFAULT_REFRESH;
    assert_eq!(cache.poll(now), Action::Fetch);
    assert_eq!(cache.finished(now, down()), Some(Change::Down(FetchError::Status(500))));
    assert_eq!(cache.poll(now), Action::Wait(SECOND), "the pauses begin anew");
}

#[test]
fn a_set_serves_while_the_source_is_down_until_it_is_too_old() {
    let fetched = start();
    let mut cache = holding(document(&[1]), fetched);
    let mut now = fetched + DEFAULT_REFRESH;
    let mut changes = Vec::new();
    while now < fetched + DAY {
        changes.extend(cache.expired(now));
        match cache.poll(now) {
            Action::Fetch => changes.extend(cache.finished(now, down())),
            Action::Wait(pause) => now += pause,
            Action::Join => panic!("nothing is under way"),
        }
        let serves = now < fetched + DAY;
        assert_eq!(cache.current(now).is_some(), serves);
        assert_eq!(cache.state(now), if serves { State::Stale } else { State::TooOld });
    }
    assert_eq!(now, fetched + DAY, "it is awake when the set becomes too old");
    changes.extend(cache.expired(now));
    changes.extend(cache.expired(now + SECOND));
    assert_eq!(changes, [Change::Down(FetchError::Status(500)), Change::TooOld]);
    assert_eq!(cache.stats(now).age, Some(DAY));

    now += MIN_REFRESH;
    assert_eq!(cache.poll(now), Action::Fetch);
    assert_eq!(cache.finished(now, Ok(document(&[1]))), Some(Change::Up { keys: 1 }));
    assert_eq!((cache.state(now), cache.current(now).is_some()), (State::Fresh, true));
}

#[test]
fn what_is_no_key_set_never_replaces_one() {
    let text = |text: &str| Ok(Document { body: text.to_owned().into(), max_age: None });
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 65].join(","));
    let cases = [
        (text(""), "not_a_key_set"),
        (text("<html><body>Sign in</body></html>"), "not_a_key_set"),
        (text("[]"), "not_a_key_set"),
        (text("{}"), "not_a_key_set"),
        (text(r#"{"keys":[]}"#), "no_usable_key"),
        (text(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#), "no_usable_key"),
        (text(&many), "too_many_keys"),
        (text(&" ".repeat(300_000)), "too_large"),
        (Err(FetchError::Timeout(SECOND)), "timeout"),
    ];
    for (outcome, kind) in cases {
        let now = start();
        let mut cache = holding(document(&[1]), now);
        assert_eq!(cache.demand(now), Action::Fetch);
        let change = cache.finished(now, outcome.clone());
        assert!(matches!(&change, Some(Change::Down(error)) if error.kind() == kind), "{kind}: {change:?}");
        assert_eq!(cache.current(now).map(|set| set.len()), Some(1), "{kind}");
        assert_eq!(cache.state(now), State::Stale, "{kind}");
        assert_eq!(cache.stats(now).failures, [(kind, 1)].into());

        let mut empty = Cache::new(Config::default(), now);
        assert_eq!(empty.poll(now), Action::Fetch);
        empty.finished(now, outcome);
        assert_eq!((empty.state(now), empty.current(now).is_none()), (State::Empty, true), "{kind}");
    }
}

#[test]
fn the_same_document_stays_the_same_set() {
    let now = start();
    let mut cache = holding(document(&[1]), now);
    let first = cache.current(now).cloned().unwrap();
    let later = now + DEFAULT_REFRESH;
    assert_eq!(cache.poll(later), Action::Fetch);
    assert_eq!(cache.finished(later, Ok(document(&[1]))), None);
    assert!(std::sync::Arc::ptr_eq(&first, cache.current(later).unwrap()));
    assert_eq!(cache.stats(later).age, Some(Duration::ZERO), "and it is young again");

    assert_eq!(cache.demand(later), Action::Fetch);
    assert_eq!(cache.finished(later, Ok(document(&[2]))), Some(Change::Rotated { keys: 1 }));
    assert!(!std::sync::Arc::ptr_eq(&first, cache.current(later).unwrap()));
}

#[test]
fn skipped_keys_are_reported_once_for_each_document() {
    let now = start();
    let mut cache = holding(document(&[1]), now);
    assert_eq!(cache.take_skipped(), []);
    let mut reported = Vec::new();
    for (fetch, kid) in (1..).zip(["a", "a", "b", "b"]) {
        let body = format!(r#"{{"keys":[{{"kty":"EC","kid":"{kid}"}}]}}"#);
        let later = now + fetch * DEMAND_INTERVAL;
        assert_eq!(cache.demand(later), Action::Fetch);
        cache.finished(later, Ok(Document { body: body.into(), max_age: None }));
        reported.extend(cache.take_skipped().iter().map(|key| (fetch, key.kid().map(str::to_owned))));
    }
    assert_eq!(reported, [(1, Some("a".to_owned())), (3, Some("b".to_owned()))]);
}

#[test]
fn a_set_is_not_used_after_the_private_half_of_its_only_key_is_published() {
    let now = start();
    let mut cache = holding(document(&[1]), now);
    let mut exposed = jwk(1);
    exposed["d"] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".into();
    let body = serde_json::json!({ "keys": [exposed] }).to_string();
    assert_eq!(cache.demand(now), Action::Fetch);
    let change = cache.finished(now, Ok(Document { body: body.into(), max_age: None }));
    assert_eq!(change, Some(Change::Down(FetchError::NoUsableKey)));
    assert_eq!((cache.state(now), cache.current(now).is_none()), (State::Empty, true));
}

#[test]
fn deliveries_cause_one_fetch_in_thirty_seconds() {
    let now = start();
    let mut cache = holding(document(&[1]), now);
    assert_eq!(cache.demand(now), Action::Fetch, "a fetch by the background does not count");
    cache.finished(now, Ok(document(&[1])));
    for demand in 0..10_000 {
        let later = now + Duration::from_millis(demand);
        assert_eq!(cache.demand(later), Action::Wait(DEMAND_INTERVAL.saturating_sub(Duration::from_millis(demand))));
    }
    assert_eq!(cache.stats(now).fetches, 2);
    assert_eq!(cache.demand(now + DEMAND_INTERVAL), Action::Fetch);
    cache.finished(now + DEMAND_INTERVAL, down());
    assert_eq!(cache.demand(now + DEMAND_INTERVAL + SECOND), Action::Wait(Duration::from_secs(29)));
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_due_twice() {
    let earlier = start();
    let now = earlier + Duration::from_secs(60 * 60);
    let mut cache = holding(document(&[1]), now);
    assert_eq!(cache.demand(now), Action::Fetch);
    cache.finished(now, Ok(document(&[1])));
    assert_eq!(cache.demand(earlier), Action::Wait(DEMAND_INTERVAL));
    assert!(cache.current(earlier).is_some());
    assert!(matches!(cache.poll(earlier), Action::Wait(_)));
}

mod simulation {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Poll,
        Demand { times: u16 },
        Succeed { key: u8, max_age: Option<u64> },
        Fail { why: FetchError },
        Pass { millis: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let why = prop_oneof![
            Just(FetchError::Status(500)),
            Just(FetchError::Timeout(SECOND)),
            Just(FetchError::NoUsableKey),
            Just(FetchError::Abandoned),
        ];
        prop_oneof![
            4 => Just(Step::Poll),
            3 => (1..1000_u16).prop_map(|times| Step::Demand { times }),
            2 => (1..4_u8, proptest::option::of(any::<u64>())).prop_map(|(key, max_age)| Step::Succeed { key, max_age }),
            2 => why.prop_map(|why| Step::Fail { why }),
            3 => (0..90_000_u64).prop_map(|millis| Step::Pass { millis }),
            1 => (0..50 * 3_600_000_u64).prop_map(|millis| Step::Pass { millis }),
        ]
    }

    /// What the cache is held against: the little that has to be known to judge it.
    struct Judge {
        now: Instant,
        cache: Cache,
        max_stale: Duration,
        under_way: bool,
        demanded: Option<Instant>,
        /// When the background may fetch again at the earliest.
        not_before: Instant,
        good: Option<(u8, Instant)>,
        is_up: Option<bool>,
        said_too_old: bool,
    }

    impl Judge {
        fn new(max_stale: Duration) -> Self {
            let now = start();
            Self {
                now,
                cache: Cache::new(Config::default().max_stale(max_stale), now),
                max_stale,
                under_way: false,
                demanded: None,
                not_before: now,
                good: None,
                is_up: None,
                said_too_old: false,
            }
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Pass { millis } => self.now += Duration::from_millis(millis),
                Step::Poll => self.poll(),
                Step::Demand { times } => (0..times).for_each(|_| self.demand()),
                Step::Succeed { key, max_age } if self.under_way => {
                    let max_age = max_age.map(Duration::from_secs);
                    self.finish(key, Ok(Document { max_age, ..document(&[key]) }));
                }
                Step::Fail { why } if self.under_way => self.finish(0, Err(why)),
                Step::Succeed { .. } | Step::Fail { .. } => {}
            }
            self.check();
        }

        fn poll(&mut self) {
            self.expire();
            match self.cache.poll(self.now) {
                Action::Fetch => {
                    assert!(!self.under_way && self.now >= self.not_before);
                    self.under_way = true;
                }
                Action::Join => assert!(self.under_way),
                Action::Wait(pause) => assert!(!self.under_way && !pause.is_zero() && pause <= MAX_REFRESH),
            }
        }

        fn demand(&mut self) {
            self.expire();
            let may = self.demanded.is_none_or(|demanded| self.now - demanded >= DEMAND_INTERVAL);
            match self.cache.demand(self.now) {
                Action::Fetch => {
                    assert!(!self.under_way && may);
                    (self.under_way, self.demanded) = (true, Some(self.now));
                }
                Action::Join => assert!(self.under_way),
                Action::Wait(pause) => assert!(!self.under_way && !may && pause <= DEMAND_INTERVAL),
            }
        }

        fn finish(&mut self, key: u8, outcome: Result<Document, FetchError>) {
            self.under_way = false;
            let before = self.good.map(|(key, _)| key);
            let success = outcome.is_ok();
            let change = self.cache.finished(self.now, outcome);
            if success {
                let up = self.is_up != Some(true) || self.said_too_old;
                let expected = match before {
                    _ if up => Some(Change::Up { keys: 1 }),
                    Some(before) if before != key => Some(Change::Rotated { keys: 1 }),
                    _ => None,
                };
                assert_eq!(change, expected);
                self.good = Some((key, self.now));
                self.not_before = self.now + MIN_REFRESH.min(self.max_stale / 2);
                self.said_too_old = false;
            } else {
                assert_eq!(change.is_some(), self.is_up != Some(false), "it is said when it goes down, and not again");
                self.not_before = self.now + SECOND;
            }
            self.is_up = Some(success);
        }

        fn expire(&mut self) {
            let too_old = self.good.is_some_and(|(_, fetched)| self.now - fetched >= self.max_stale);
            let change = self.cache.expired(self.now);
            assert_eq!(change, (too_old && !self.said_too_old).then_some(Change::TooOld));
            self.said_too_old |= too_old;
        }

        fn check(&self) {
            let serving = self.good.filter(|(_, fetched)| self.now - *fetched < self.max_stale);
            let current = self.cache.current(self.now).map(|set| set.labels().next().unwrap().0.to_owned());
            assert_eq!(current, serving.map(|(key, _)| format!("key-{key}")));
            let state = match (self.good, serving, self.is_up) {
                (None, ..) => State::Empty,
                (_, None, _) => State::TooOld,
                (.., Some(true)) => State::Fresh,
                _ => State::Stale,
            };
            assert_eq!(self.cache.state(self.now), state);
        }

        /// However long it went wrong: two minutes after the source is back, it serves.
        fn recover(&mut self) {
            for _ in 0..120 {
                self.poll();
                if self.under_way {
                    self.finish(9, Ok(document(&[9])));
                }
                self.check();
                self.now += SECOND;
            }
            assert!(self.cache.current(self.now).is_some());
        }
    }

    proptest! {
        #[test]
        fn holds_whatever_happens(steps in prop::collection::vec(step(), 0..200), hours in 0..50_u64) {
            let mut judge = Judge::new(Duration::from_secs(hours * 60 * 60).max(2 * MIN_REFRESH));
            for step in steps {
                judge.take(step);
            }
            judge.recover();
        }
    }
}
