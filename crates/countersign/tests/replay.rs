//! One contract for every store: random interleavings against a model that fits on a page.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use countersign::{MemoryStore, UnixTime};
use proptest::prelude::*;
use proptest::test_runner::Config;

const RETAIN: Duration = Duration::from_secs(100);
const CAPACITY: usize = 6;

#[derive(Clone, Debug)]
enum Step {
    Claim {
        id: u8,
        lease: u64,
    },
    /// Settle the n-th of the tokens that are out, the latest last.
    Confirm(usize),
    Release(usize),
    /// Drop it unsettled, as a handler that hangs does.
    Forget(usize),
    Clock(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..9, 1_u64..30).prop_map(|(id, lease)| Step::Claim { id, lease }),
        3 => (0_usize..4).prop_map(Step::Confirm),
        2 => (0_usize..4).prop_map(Step::Release),
        1 => (0_usize..4).prop_map(Step::Forget),
        3 => (0_i64..40).prop_map(Step::Clock),
        1 => (-60_i64..150).prop_map(Step::Clock),
    ];
    prop::collection::vec(step, 1..120)
}

/// What a store is to do, in the words of the contract.
#[derive(Default)]
struct Model {
    entries: HashMap<u8, (State, u64)>,
    latest: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Held(u64),
    Done,
}

impl Model {
    /// What a store may answer at `now`. Once expired an id may be forgotten, or come back to life if
    /// the clock is set back: then, and only then, there is more than one.
    fn views(&self, id: u8, now: u64) -> Vec<(Option<State>, bool)> {
        let view = |at: u64| {
            let live = |(_, until): &(State, u64)| at < *until;
            let others = self.entries.iter().filter(|(other, entry)| **other != id && live(entry)).count();
            (self.entries.get(&id).filter(|entry| live(entry)).map(|entry| entry.0), others < CAPACITY)
        };
        let (forgotten, remembered) = (view(now.max(self.latest)), view(now));
        vec![forgotten, remembered, (forgotten.0, remembered.1), (remembered.0, forgotten.1)]
    }
}

fn run<S: ReplayStore>(store: &S, steps: Vec<Step>) {
    let mut model = Model::default();
    let mut tokens: Vec<(u8, u64, ClaimToken)> = Vec::new();
    let (mut now, mut claims) = (1_000_u64, 0);
    let nth = |tokens: &mut Vec<_>, n: usize| (n < tokens.len()).then(|| tokens.remove(tokens.len() - 1 - n));
    for step in steps {
        let time = UnixTime::from_secs(now);
        match step {
            Step::Claim { id, lease } => {
                let found = answer(store.claim(key(id), Duration::from_secs(lease), time));
                let allowed = model.views(id, now).into_iter().any(|view| match view {
                    (Some(State::Done), _) => found == Ok(Claim::Done),
                    (Some(State::Held(_)), _) => found == Ok(Claim::InFlight),
                    (None, true) => matches!(found, Ok(Claim::Fresh(_))),
                    (None, false) => found == Err(StoreError::Full),
                });
                assert!(allowed, "claim of {id} at {now}: {found:?}, not one of {:?}", model.views(id, now));
                if let Ok(Claim::Fresh(token)) = found {
                    claims += 1;
                    model.entries.insert(id, (State::Held(claims), now + lease));
                    tokens.push((id, claims, token));
                }
            }
            Step::Confirm(n) => {
                let Some((id, claim, token)) = nth(&mut tokens, n) else { continue };
                let found = answer(store.confirm(token, time));
                let allowed = model.views(id, now).into_iter().any(|view| match view {
                    (Some(State::Held(holder)), _) if holder == claim => found == Ok(Settled::Recorded),
                    (Some(_), _) => found == Ok(Settled::Superseded),
                    (None, true) => found == Ok(Settled::Recorded),
                    // The claim that expired keeps its room until somebody needs it.
                    (None, false) => matches!(found, Ok(Settled::Recorded) | Err(StoreError::Full)),
                });
                assert!(allowed, "confirm of {id} at {now}: {found:?}, not one of {:?}", model.views(id, now));
                if found == Ok(Settled::Recorded) {
                    model.entries.insert(id, (State::Done, now + RETAIN.as_secs()));
                }
            }
            Step::Release(n) => {
                let Some((id, claim, token)) = nth(&mut tokens, n) else { continue };
                store.release(token);
                if model.entries.get(&id).is_some_and(|(state, _)| *state == State::Held(claim)) {
                    model.entries.remove(&id);
                }
            }
            // The token is lost, the claim is not: only its lease frees it.
            Step::Forget(n) => drop(nth(&mut tokens, n)),
            Step::Clock(by) => {
                model.latest = model.latest.max(now);
                now = now.saturating_add_signed(by);
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 4_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_memory_store_keeps_the_contract(steps in steps()) {
        run(&MemoryStore::builder().capacity(CAPACITY).retain(RETAIN).build(), steps);
    }
}

#[test]
fn of_many_claims_at_once_one_is_fresh() {
    let store = MemoryStore::default();
    for id in 0..200 {
        let fresh: usize = std::thread::scope(|scope| {
            let claim = || answer(store.claim(key(id), RETAIN, UnixTime::from_secs(1)));
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            let claims = threads.into_iter().map(|thread| thread.join().expect("no panic").expect("room"));
            claims.filter(|claim| matches!(claim, Claim::Fresh(_))).count()
        });
        assert_eq!(fresh, 1);
    }
    assert_eq!((store.in_flight(), store.len()), (200, 200));
}

#[test]
fn a_full_store_still_knows_what_it_holds() {
    let store = MemoryStore::builder().capacity(1).retain(RETAIN).build();
    let now = UnixTime::from_secs(1);
    let Ok(Claim::Fresh(token)) = answer(store.claim(key(1), RETAIN, now)) else { panic!("an empty store") };
    assert_eq!(answer(store.claim(key(1), RETAIN, now)), Ok(Claim::InFlight));
    assert_eq!(answer(store.claim(key(2), RETAIN, now)), Err(StoreError::Full));
    assert_eq!(answer(store.confirm(token, now)), Ok(Settled::Recorded));
    assert_eq!(answer(store.claim(key(1), RETAIN, now)), Ok(Claim::Done));
    assert_eq!(answer(store.claim(key(2), RETAIN, now)), Err(StoreError::Full));
    assert!(matches!(answer(store.claim(key(2), RETAIN, now.saturating_add(RETAIN))), Ok(Claim::Fresh(_))));
}

#[test]
fn a_store_for_no_ids_takes_none() {
    let store = MemoryStore::builder().capacity(0).build();
    assert_eq!(store.capacity(), 0);
    assert_eq!(answer(store.claim(key(1), RETAIN, UnixTime::from_secs(1))), Err(StoreError::Full));
    assert!(store.is_empty());
}

#[test]
fn two_sources_may_use_the_same_id() {
    let store = MemoryStore::default();
    for source in ["a", "b"] {
        let key = ReplayKey::parse(source, "msg_1").expect("a good key");
        assert!(matches!(answer(store.claim(key, RETAIN, UnixTime::from_secs(1))), Ok(Claim::Fresh(_))));
    }
}

/// What a million ids cost beyond their own bytes.
#[test]
fn a_million_ids_cost_at_most_64_bytes_each() {
    const IDS: u64 = 1_000_000;
    let id = |n: u64| ReplayKey::parse("gemini", &format!("msg_{n:036}")).expect("a good key");
    let store = MemoryStore::default();
    let own = (id(0).source().len() + id(0).message_id().as_str().len()) as u64;
    let counted = allocation_counter::measure(|| {
        for n in 0..IDS {
            let Ok(Claim::Fresh(token)) = answer(store.claim(id(n), RETAIN, UnixTime::from_secs(n / 1000))) else {
                panic!("there is room for {n}")
            };
            assert_eq!(answer(store.confirm(token, UnixTime::from_secs(n / 1000))), Ok(Settled::Recorded));
        }
    });
    let each = u64::try_from(counted.bytes_current).expect("it grew") / IDS;
    // An allocator keeps up to 16 bytes beside each id.
    println!("{each} bytes an id, {own} of them its own");
    assert!(each + 16 <= 64 + own, "{each} bytes an id, {own} of them its own");
}

fn key(id: u8) -> ReplayKey {
    ReplayKey::parse("source", &format!("msg_{id}")).expect("a good key")
}

fn answer<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store within the process answers at once"),
    }
}
