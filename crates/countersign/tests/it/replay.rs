//! One contract for every store: random interleavings against a model that fits on a page.

use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock, ClockReading, ManualClock};
use countersign::replay::MemoryStore;
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use proptest::prelude::*;
use proptest::test_runner::Config;

const RETAIN: Duration = Duration::from_secs(100);
const CAPACITY: usize = 6;
const LEASE: Duration = Duration::from_secs(60);
const DAY: i64 = 24 * 3600;

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
    /// Time passes, in milliseconds.
    Pass(u64),
    /// Somebody sets the wall clock, by so many seconds. No time passes.
    Jump(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..9, 1_u64..30_000).prop_map(|(id, lease)| Step::Claim { id, lease }),
        3 => (0_usize..4).prop_map(Step::Confirm),
        2 => (0_usize..4).prop_map(Step::Release),
        1 => (0_usize..4).prop_map(Step::Forget),
        3 => (0_u64..40_000).prop_map(Step::Pass),
        1 => (0_u64..150_000).prop_map(Step::Pass),
        2 => (-100_000_i64..100_000).prop_map(Step::Jump),
    ];
    prop::collection::vec(step, 1..120)
}

/// What a store is to do, in the words of the contract. Its time is what has passed, in milliseconds.
#[derive(Default)]
struct Model {
    entries: HashMap<u8, (State, u64)>,
    passed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Held(u64),
    Done,
}

impl Model {
    /// What the store knows of an id, if it must still, and whether the others leave room for it.
    fn view(&self, id: u8) -> (Option<State>, bool) {
        let live = |entry: &(State, u64)| self.passed < entry.1;
        let others = self.entries.iter().filter(|(other, entry)| **other != id && live(entry)).count();
        (self.entries.get(&id).filter(|entry| live(entry)).map(|entry| entry.0), others < CAPACITY)
    }

    /// Ids expire by the second, so one that is confirmed lasts up to a second longer than asked for.
    fn retained_until(&self) -> u64 {
        (self.passed + RETAIN.as_secs() * 1000).next_multiple_of(1000)
    }
}

fn run<S: ReplayStore>(store: &S, steps: Vec<Step>) {
    let clock = ManualClock::new(UnixTime::from_secs(1_000_000));
    // The store's time begins with its first reading.
    let settled = answer(store.claim(key(99), Duration::from_millis(1), clock.read()));
    let Ok(Claim::Fresh(token)) = settled else { panic!("an empty store: {settled:?}") };
    store.release(token);
    let mut model = Model::default();
    let mut tokens: Vec<(u8, u64, ClaimToken)> = Vec::new();
    let mut claims = 0;
    let nth = |tokens: &mut Vec<_>, n: usize| (n < tokens.len()).then(|| tokens.remove(tokens.len() - 1 - n));
    for step in steps {
        let now = clock.read();
        match step {
            Step::Claim { id, lease } => {
                let found = answer(store.claim(key(id), Duration::from_millis(lease), now));
                let view = model.view(id);
                let allowed = match view {
                    (Some(State::Done), _) => found == Ok(Claim::Done),
                    (Some(State::Held(_)), _) => found == Ok(Claim::InFlight),
                    (None, true) => matches!(found, Ok(Claim::Fresh(_))),
                    (None, false) => found == Err(StoreError::full()),
                };
                assert!(allowed, "claim of {id} after {} ms: {found:?}, not {view:?}", model.passed);
                if let Ok(Claim::Fresh(token)) = found {
                    claims += 1;
                    model.entries.insert(id, (State::Held(claims), model.passed + lease));
                    tokens.push((id, claims, token));
                }
            }
            Step::Confirm(n) => {
                let Some((id, claim, token)) = nth(&mut tokens, n) else { continue };
                let found = answer(store.confirm(token, now));
                let view = model.view(id);
                let allowed = match view {
                    (Some(State::Held(holder)), _) if holder == claim => found == Ok(Settled::Recorded),
                    (Some(_), _) => found == Ok(Settled::Superseded),
                    (None, true) => found == Ok(Settled::Recorded),
                    // The claim that expired keeps its room until somebody needs it.
                    (None, false) => found == Ok(Settled::Recorded) || found == Err(StoreError::full()),
                };
                assert!(allowed, "confirm of {id} after {} ms: {found:?}, not {view:?}", model.passed);
                if found == Ok(Settled::Recorded) {
                    model.entries.insert(id, (State::Done, model.retained_until()));
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
            Step::Pass(by) => {
                clock.advance(Duration::from_millis(by));
                model.passed += by;
            }
            Step::Jump(by) => clock.set(UnixTime::from_secs(now.wall.as_secs().saturating_add_signed(by))),
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 4_000, failure_persistence: None, ..Config::default() })]

    /// Whatever happens to the wall clock meanwhile.
    #[test]
    fn the_memory_store_keeps_the_contract(steps in steps()) {
        run(&MemoryStore::builder().capacity(CAPACITY).retain(RETAIN).build(), steps);
    }
}

/// What NTP does to a machine that woke up with a wrong battery, and an operator who sets it right.
#[test]
fn a_wall_clock_that_jumps_neither_forgets_an_id_nor_frees_a_claim() {
    for jump in [-DAY * 30, -3600, -1, 1, 61, 26 * 3600, DAY * 400] {
        let (store, clock) = (MemoryStore::default(), ManualClock::new(UnixTime::from_secs(1_700_000_000)));
        let claim = |id| answer(store.claim(key(id), LEASE, clock.read()));
        let Ok(Claim::Fresh(token)) = claim(1) else { panic!("an empty store") };
        assert_eq!(answer(store.confirm(token, clock.read())), Ok(Settled::Recorded));
        let Ok(Claim::Fresh(held)) = claim(2) else { panic!("room") };
        let true_time = clock.now();
        clock.set(UnixTime::from_secs(true_time.as_secs().saturating_add_signed(jump)));
        assert_eq!((claim(1), claim(2)), (Ok(Claim::Done), Ok(Claim::InFlight)), "{jump}");
        // Other ids come and go meanwhile, which is when a store sweeps.
        for id in 3..200 {
            assert!(matches!(claim(id), Ok(Claim::Fresh(_))), "{jump}");
        }
        clock.advance(Duration::from_secs(2));
        clock.set(true_time);
        assert_eq!((claim(1), claim(2)), (Ok(Claim::Done), Ok(Claim::InFlight)), "{jump}");
        // Its time is up when its time has passed, and not before or after.
        clock.set(UnixTime::from_secs(true_time.as_secs().saturating_add_signed(jump)));
        clock.advance(LEASE.saturating_sub(Duration::from_secs(2)));
        assert_eq!(answer(store.confirm(held, clock.read())), Ok(Settled::Recorded), "{jump}");
        assert!(matches!(claim(3), Ok(Claim::Fresh(_))), "{jump}");
        clock.advance(MemoryStore::DEFAULT_RETAIN.saturating_sub(LEASE + Duration::from_millis(1)));
        assert_eq!(claim(1), Ok(Claim::Done), "{jump}");
        clock.advance(Duration::from_millis(1));
        assert!(matches!(claim(1), Ok(Claim::Fresh(_))), "{jump}");
    }
}

#[test]
fn a_lease_and_a_retention_without_end_have_none() {
    let store = MemoryStore::builder().retain(Duration::MAX).build();
    let clock = ManualClock::new(UnixTime::from_secs(1));
    let claim = |id| answer(store.claim(key(id), Duration::MAX, clock.read()));
    let Ok(Claim::Fresh(token)) = claim(1) else { panic!("an empty store") };
    assert!(matches!(claim(2), Ok(Claim::Fresh(_))));
    clock.advance(Duration::from_secs(24 * 365 * 60 * 60));
    assert_eq!(answer(store.confirm(token, clock.read())), Ok(Settled::Recorded));
    clock.advance(Duration::from_secs(24 * 365 * 60 * 60));
    assert_eq!((claim(1), claim(2)), (Ok(Claim::Done), Ok(Claim::InFlight)));
}

#[test]
fn a_reading_that_is_older_than_the_first_is_at_the_beginning() {
    let (store, clock) = (MemoryStore::default(), ManualClock::new(UnixTime::from_secs(1)));
    let older = clock.read();
    clock.advance(Duration::from_secs(1));
    assert!(matches!(answer(store.claim(key(1), LEASE, clock.read())), Ok(Claim::Fresh(_))));
    assert!(matches!(answer(store.claim(key(2), LEASE, older)), Ok(Claim::Fresh(_))));
    clock.advance(LEASE.saturating_sub(Duration::from_millis(1)));
    assert_eq!(answer(store.claim(key(2), LEASE, clock.read())), Ok(Claim::InFlight));
}

#[test]
fn of_many_claims_at_once_one_is_fresh() {
    let (store, now) = (MemoryStore::default(), now());
    for id in 0..200 {
        let fresh: usize = std::thread::scope(|scope| {
            let claim = || answer(store.claim(key(id), RETAIN, now));
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
    let now = now();
    let Ok(Claim::Fresh(token)) = answer(store.claim(key(1), RETAIN, now)) else { panic!("an empty store") };
    assert_eq!(answer(store.claim(key(1), RETAIN, now)), Ok(Claim::InFlight));
    assert_eq!(answer(store.claim(key(2), RETAIN, now)), Err(StoreError::full()));
    assert_eq!(answer(store.confirm(token, now)), Ok(Settled::Recorded));
    assert_eq!(answer(store.claim(key(1), RETAIN, now)), Ok(Claim::Done));
    assert_eq!(answer(store.claim(key(2), RETAIN, now)), Err(StoreError::full()));
    assert!(matches!(answer(store.claim(key(2), RETAIN, now.at(now.monotonic + RETAIN))), Ok(Claim::Fresh(_))));
}

#[test]
fn a_store_for_no_ids_takes_none() {
    let store = MemoryStore::builder().capacity(0).build();
    assert_eq!(store.capacity(), 0);
    assert_eq!(answer(store.claim(key(1), RETAIN, now())), Err(StoreError::full()));
    assert!(store.is_empty());
}

#[test]
fn two_sources_may_use_the_same_id() {
    let store = MemoryStore::default();
    for source in ["a", "b"] {
        let key = ReplayKey::parse(source, "msg_1").expect("a good key");
        assert!(matches!(answer(store.claim(key, RETAIN, now())), Ok(Claim::Fresh(_))));
    }
}

/// What a million ids cost beyond their own bytes.
#[test]
fn a_million_ids_cost_at_most_64_bytes_each() {
    const IDS: u64 = 1_000_000;
    let id = |n: u64| ReplayKey::parse("gemini", &format!("msg_{n:036}")).expect("a good key");
    let store = MemoryStore::default();
    let own = (id(0).source().len() + id(0).message_id().as_str().len()) as u64;
    let began = now();
    let counted = allocation_counter::measure(|| {
        for n in 0..IDS {
            let now = began.at(began.monotonic + Duration::from_secs(n / 1000));
            let Ok(Claim::Fresh(token)) = answer(store.claim(id(n), RETAIN, now)) else {
                panic!("there is room for {n}")
            };
            assert_eq!(answer(store.confirm(token, now)), Ok(Settled::Recorded));
        }
    });
    let each = u64::try_from(counted.bytes_current).expect("it grew") / IDS;
    // An allocator keeps up to 16 bytes beside each id.
    println!("{each} bytes an id, {own} of them its own");
    assert!(each + 16 <= 64 + own, "{each} bytes an id, {own} of them its own");
}

fn now() -> ClockReading {
    ManualClock::new(UnixTime::from_secs(1)).read()
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

#[test]
fn a_forgotten_id_is_new_again_and_its_room_is_freed_once() {
    let store = MemoryStore::builder().capacity(2).retain(RETAIN).build();
    let clock = ManualClock::new(UnixTime::from_secs(1));
    let claim = || answer(store.claim(key(1), LEASE, clock.read())).expect("room");
    let confirm = || {
        let Claim::Fresh(token) = claim() else { panic!("it is not new") };
        assert_eq!(answer(store.confirm(token, clock.read())), Ok(Settled::Recorded));
    };
    assert!(!store.forget(&key(1)));
    confirm();
    assert!(!store.forget(&key(2)));
    assert!(store.forget(&key(1)) && !store.forget(&key(1)));
    assert_eq!(store.len(), 1);

    clock.advance(Duration::from_secs(1));
    let Claim::Fresh(token) = claim() else { panic!("it is not new") };
    // It is being handled.
    assert!(!store.forget(&key(1)));
    assert_eq!(claim(), Claim::InFlight);
    assert_eq!(answer(store.confirm(token, clock.read())), Ok(Settled::Recorded));
    assert_eq!((claim(), store.len()), (Claim::Done, 2));

    // The first confirmation expires, and the second one does not.
    clock.advance(RETAIN.saturating_sub(Duration::from_millis(500)));
    assert_eq!((claim(), store.len()), (Claim::Done, 1));
    clock.advance(Duration::from_secs(2));
    confirm();
    assert_eq!(store.len(), 1);
}
