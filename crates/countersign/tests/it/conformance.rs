//! The contract of replay stores: the memory store keeps it, so does a plain one, and each of a set of
//! wrong ones is found out by the cases that are about its fault.

use std::collections::HashMap;
use std::future::ready;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use countersign::UnixTime;
use countersign::clock::{Clock, ClockReading, ManualClock, SystemClock};
use countersign::replay::MemoryStore;
use countersign::replay::conformance::{Delay, LateStore, Subject, Violations, check};
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};

/// Stores that `make` makes, given how long they remember and how many ids, in time that stands still.
struct Made<F> {
    clock: ManualClock,
    make: F,
}

impl<S: ReplayStore, F: Fn(Duration, usize) -> S> Subject for Made<F> {
    type Store = S;

    async fn store(&self, retain: Duration) -> S {
        (self.make)(retain, 1000)
    }

    async fn small_store(&self, retain: Duration, capacity: usize) -> Option<S> {
        Some((self.make)(retain, capacity))
    }

    fn now(&self) -> ClockReading {
        self.clock.read()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

fn checked<S: ReplayStore>(make: impl Fn(Duration, usize) -> S) -> Result<(), Violations> {
    let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
    let subject = Made { clock, make };
    let mut checking = pin!(check(&subject));
    // No store here waits for anything but its turn.
    for _ in 0..100_000 {
        if let Poll::Ready(outcome) = checking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return outcome;
        }
    }
    panic!("a store never responds")
}

fn memory(retain: Duration, capacity: usize) -> MemoryStore {
    MemoryStore::builder().retain(retain).capacity(capacity).build()
}

#[test]
fn the_memory_store_keeps_the_contract() {
    checked(memory).expect("it is the model");
}

#[test]
fn so_does_one_whose_responses_come_late_and_out_of_order() {
    let delays = [(0, 3), (4, 0), (1, 1), (0, 0), (2, 7)];
    let delays = delays.map(|(polls_before, polls_after)| Delay { polls_before, polls_after, is_lost: false });
    checked(|retain, capacity| LateStore::new(Arc::new(memory(retain, capacity)), delays)).expect("late, and right");
}

#[test]
fn so_does_a_plain_one() {
    checked(|retain, capacity| Plain::new(None, retain, capacity)).expect("it has no fault");
}

#[test]
fn a_violation_says_what_was_found_and_what_was_expected() {
    let violations = checked(|retain, capacity| Plain::new(Some(Fault::NeverFrees), retain, capacity));
    let text = violations.expect_err("a fault").to_string();
    let line =
        "- a_lease_frees_the_key_when_it_has_run_out: a claim after the lease is Ok(InFlight), and should be fresh";
    assert!(text.starts_with("the store breaks the replay contract:\n- ") && text.contains(line), "{text}");
}

/// What implementers get wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// `SELECT`, then `INSERT`: two claims at once both find nothing.
    ChecksThenActs,
    /// Claims again what is done.
    NeverDone,
    /// A release does nothing.
    IgnoresReleases,
    /// Leases have no end.
    NeverFrees,
    /// Leases end at half their time.
    FreesEarly,
    /// Ids are kept for half their time.
    ForgetsEarly,
    /// Ids are kept for ever.
    NeverForgets,
    /// Retention begins with the claim.
    RetainsFromTheClaim,
    /// A late confirmation is taken for the holder's.
    ConfirmsForOthers,
    /// A late release is taken for the holder's.
    ReleasesForOthers,
    /// A late release deletes what is there, confirmed or not.
    DeletesOnRelease,
    /// What was handled after its lease is not recorded.
    RejectsLateConfirms,
    /// A claim's number is counted in its row, and begins anew with the next row.
    CountsInTheRow,
    /// The source is not part of the key.
    MixesSources,
    /// Both parts of the key are joined without a mark between them.
    JoinsWithoutMark,
    /// The column compares without regard to letter case.
    FoldsCase,
    /// The column is shorter than the longest id.
    Truncates,
    /// Makes room by forgetting.
    Evicts,
    /// A full store does not look whether it knows the key.
    FullForAll,
    /// Measures with the caller's time of day.
    TrustsTheWallClock,
    /// A confirmation begins when its future is polled.
    ConfirmsWhenPolled,
    /// A claim that is dropped half-way is held for ever.
    LosesDroppedClaims,
}

#[test]
fn each_wrong_store_breaks_the_case_that_is_about_its_fault() {
    use Fault::*;
    for (fault, case) in [
        (ChecksThenActs, "of_64_claims_at_once_one_is_fresh"),
        (NeverDone, "a_message_is_fresh_then_in_flight_then_done"),
        (IgnoresReleases, "a_release_frees_the_key"),
        (NeverFrees, "a_lease_frees_the_key_when_it_has_run_out"),
        (FreesEarly, "a_lease_frees_the_key_when_it_has_run_out"),
        (ForgetsEarly, "a_confirmed_key_is_done_until_its_time_has_passed"),
        (NeverForgets, "a_confirmed_key_is_done_until_its_time_has_passed"),
        (RetainsFromTheClaim, "a_confirmed_key_is_done_until_its_time_has_passed"),
        (ConfirmsForOthers, "a_late_confirm_leaves_the_key_to_its_new_holder"),
        (ReleasesForOthers, "a_late_release_leaves_the_key_to_its_new_holder"),
        (DeletesOnRelease, "a_late_settlement_does_not_undo_a_confirmation"),
        (RejectsLateConfirms, "a_late_confirm_is_recorded_if_nobody_holds_the_key"),
        (CountsInTheRow, "a_claim_number_is_never_used_again"),
        (MixesSources, "keys_are_compared_whole"),
        (JoinsWithoutMark, "keys_are_compared_whole"),
        (FoldsCase, "keys_are_compared_whole"),
        (Truncates, "keys_are_compared_whole"),
        (Evicts, "a_full_store_rejects_and_forgets_nothing"),
        (FullForAll, "a_full_store_rejects_and_forgets_nothing"),
        (TrustsTheWallClock, "a_wall_clock_that_jumps_changes_nothing"),
        (ConfirmsWhenPolled, "a_confirm_whose_future_is_dropped_is_carried_out"),
        (LosesDroppedClaims, "a_claim_whose_future_is_dropped_ends_with_its_lease"),
    ] {
        let outcome = checked(|retain, capacity| Plain::new(Some(fault), retain, capacity));
        let violations = outcome.expect_err(&format!("{fault:?} is a fault"));
        assert!(violations.cases().any(|found| found == case), "{fault:?}: {violations}");
    }
}

/// A map in a lock, with at most one fault.
#[derive(Clone)]
struct Plain(Arc<Inner>);

struct Inner {
    fault: Option<Fault>,
    retain: Duration,
    capacity: usize,
    began: Instant,
    rows: Mutex<(HashMap<String, Row>, u64)>,
}

struct Row {
    number: u64,
    is_done: bool,
    claimed: Duration,
    until: Duration,
}

type Later<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

impl Plain {
    fn new(fault: Option<Fault>, retain: Duration, capacity: usize) -> Self {
        // Before any reading of the suite's clock, which is older than this store.
        let began = SystemClock.instant().checked_sub(Duration::from_secs(60)).expect("a machine that is up");
        Self(Arc::new(Inner { fault, retain, capacity, began, rows: Mutex::default() }))
    }

    fn has(&self, fault: Fault) -> bool {
        self.0.fault == Some(fault)
    }

    fn elapsed(&self, now: ClockReading) -> Duration {
        if self.has(Fault::TrustsTheWallClock) {
            return Duration::from_millis(now.wall.as_millis());
        }
        now.monotonic.saturating_duration_since(self.0.began)
    }

    fn row_key(&self, key: &ReplayKey) -> String {
        let (source, id) = (key.source(), key.message_id().as_str());
        match self.0.fault {
            Some(Fault::MixesSources) => id.to_owned(),
            Some(Fault::JoinsWithoutMark) => format!("{source}{id}"),
            Some(Fault::FoldsCase) => format!("{source} {}", id.to_lowercase()),
            Some(Fault::Truncates) => format!("{source} {id}").chars().take(255).collect(),
            _ => format!("{source} {id}"),
        }
    }

    fn claim_now(&self, key: &ReplayKey, lease: Duration, now: ClockReading, look: bool) -> Result<Claim, StoreError> {
        let (now, row_key) = (self.elapsed(now), self.row_key(key));
        let mut guard = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, last) = &mut *guard;
        let is_live = |row: &Row| now < row.until;
        let known = rows.get(&row_key).filter(|row| is_live(row));
        let others = rows.iter().filter(|(other, row)| **other != row_key && is_live(row)).count();
        let is_full = others >= self.0.capacity;
        match known {
            Some(_)
                if self.has(Fault::FullForAll)
                    && rows.values().filter(|row| is_live(row)).count() >= self.0.capacity =>
            {
                return Err(StoreError::full());
            }
            Some(row) if row.is_done && !self.has(Fault::NeverDone) => return Ok(Claim::Done),
            Some(row) if !row.is_done && look => return Ok(Claim::InFlight),
            _ => {}
        }
        if known.is_none() && is_full {
            if !self.has(Fault::Evicts) {
                return Err(StoreError::full());
            }
            let oldest = rows.iter().min_by_key(|(_, row)| row.until).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| rows.remove(&oldest));
        }
        *last += 1;
        let number = match rows.get(&row_key) {
            _ if !self.has(Fault::CountsInTheRow) => *last,
            Some(row) if !(row.is_done && now >= row.until) => row.number + 1,
            _ => 0,
        };
        let until = match self.0.fault {
            Some(Fault::NeverFrees) => Duration::MAX,
            Some(Fault::FreesEarly) => now + lease / 2,
            _ => now + lease,
        };
        rows.insert(row_key, Row { number, is_done: false, claimed: now, until });
        Ok(Claim::Fresh(ClaimToken::new(key.clone(), number)))
    }

    fn confirm_now(&self, token: &ClaimToken, now: ClockReading) -> Settled {
        let (now, row_key) = (self.elapsed(now), self.row_key(token.key()));
        let mut guard = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = &mut guard.0;
        let holder = rows.get(&row_key).filter(|row| now < row.until);
        let is_own = holder.is_some_and(|row| !row.is_done && row.number == token.number());
        let is_free = holder.is_none() && !self.has(Fault::RejectsLateConfirms);
        if !(is_own || is_free || self.has(Fault::ConfirmsForOthers)) {
            return Settled::Superseded;
        }
        let from = match rows.get(&row_key) {
            Some(row) if self.has(Fault::RetainsFromTheClaim) => row.claimed,
            _ => now,
        };
        let until = match self.0.fault {
            Some(Fault::ForgetsEarly) => from + self.0.retain / 2,
            Some(Fault::NeverForgets) => Duration::MAX,
            _ => from + self.0.retain,
        };
        rows.insert(row_key, Row { number: token.number(), is_done: true, claimed: from, until });
        Settled::Recorded
    }
}

impl ReplayStore for Plain {
    type Claiming = Later<Claim>;
    type Confirming = Later<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Later<Claim> {
        let this = self.clone();
        match self.0.fault {
            Some(Fault::ChecksThenActs) => Box::pin(async move {
                let found = this.0.rows.lock().expect("no panic").0.contains_key(&this.row_key(&key));
                turn().await;
                this.claim_now(&key, lease, now, found)
            }),
            Some(Fault::LosesDroppedClaims) => Box::pin(async move {
                let claim = this.claim_now(&key, Duration::from_secs(60 * 60), now, true)?;
                turn().await;
                if let Some(row) = this.0.rows.lock().expect("no panic").0.get_mut(&this.row_key(&key))
                    && matches!(claim, Claim::Fresh(_))
                {
                    row.until = this.elapsed(now) + lease;
                }
                Ok(claim)
            }),
            _ => Box::pin(ready(self.claim_now(&key, lease, now, true))),
        }
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Later<Settled> {
        if self.has(Fault::ConfirmsWhenPolled) {
            let this = self.clone();
            return Box::pin(async move { Ok(this.confirm_now(&token, now)) });
        }
        Box::pin(ready(Ok(self.confirm_now(&token, now))))
    }

    fn release(&self, token: ClaimToken) {
        let row_key = self.row_key(token.key());
        let mut rows = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = rows.0.get(&row_key).is_some_and(|row| match self.0.fault {
            Some(Fault::IgnoresReleases) => false,
            Some(Fault::ReleasesForOthers) => !row.is_done,
            Some(Fault::DeletesOnRelease) => true,
            _ => !row.is_done && row.number == token.number(),
        });
        if is_own {
            rows.0.remove(&row_key);
        }
    }
}

/// Pending once.
async fn turn() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
