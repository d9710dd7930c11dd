//! The contract of a [`ReplayStore`] as a list of cases, to run against a store of your own.
//!
//! Implement [`Subject`], which says how to make a store and how to let time pass for it, and [`check`] it
//! in a test. All cases together let about 60 s pass, which takes no time with a [`ManualClock`].
//!
//! [`LateStore`] delays what any store does. With it, test what a caller does when it stops waiting.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::replay::conformance::{Subject, check};
//! use countersign::clock::{Clock, ClockReading, ManualClock};
//! use countersign::replay::MemoryStore;
//! use countersign::UnixTime;
//!
//! struct Memory(ManualClock);
//!
//! impl Subject for Memory {
//!     type Store = MemoryStore;
//!
//!     async fn store(&self, retain: Duration) -> MemoryStore {
//!         MemoryStore::builder().retain(retain).build()
//!     }
//!
//!     async fn small_store(&self, retain: Duration, capacity: usize) -> Option<MemoryStore> {
//!         Some(MemoryStore::builder().retain(retain).capacity(capacity).build())
//!     }
//!
//!     fn now(&self) -> ClockReading {
//!         self.0.read()
//!     }
//!
//!     async fn pass(&self, by: Duration) {
//!         self.0.advance(by);
//!     }
//! }
//!
//! # #[allow(dead_code)]
//! async fn the_memory_store_keeps_the_contract() {
//!     check(&Memory(ManualClock::new(UnixTime::from_secs(1_700_000_000)))).await.unwrap();
//! }
//! ```
//!
//! [`ReplayStore`]: crate::replay::ReplayStore
//! [`ManualClock`]: crate::clock::ManualClock

mod cases;
mod late;
mod subject;

use std::fmt;

pub use late::{Delay, LateStore};
pub use subject::{GRACE, LEASE, RETAIN, Subject};

macro_rules! run {
    ($subject:expr, $($case:ident),+ $(,)?) => {{
        let mut violations = Vec::new();
        $(
            if let Err(what) = cases::$case($subject).await {
                violations.push(Violation { case: stringify!($case), what });
            }
        )+
        violations
    }};
}

/// Runs all cases, each against a store of its own.
pub async fn check<S: Subject>(subject: &S) -> Result<(), Violations> {
    let violations = run!(
        subject,
        a_message_is_fresh_then_in_flight_then_done,
        a_release_frees_the_key,
        a_lease_frees_the_key_when_it_has_run_out,
        a_late_confirm_leaves_the_key_to_its_new_holder,
        a_late_release_leaves_the_key_to_its_new_holder,
        a_late_settlement_does_not_undo_a_confirmation,
        a_late_confirm_is_recorded_if_nobody_holds_the_key,
        a_confirmed_key_is_done_until_its_time_has_passed,
        a_claim_number_is_never_used_again,
        keys_are_compared_whole,
        a_full_store_rejects_and_forgets_nothing,
        a_wall_clock_that_jumps_changes_nothing,
        of_64_claims_at_once_one_is_fresh,
        a_confirm_whose_future_is_dropped_is_carried_out,
        a_claim_whose_future_is_dropped_ends_with_its_lease,
    );
    if violations.is_empty() { Ok(()) } else { Err(Violations(violations)) }
}

/// The cases in which a store broke the contract.
#[derive(Clone, Debug)]
pub struct Violations(Vec<Violation>);

#[derive(Clone, Debug)]
struct Violation {
    case: &'static str,
    what: String,
}

impl Violations {
    /// The names of the cases.
    pub fn cases(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|violation| violation.case)
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store breaks the replay contract:")?;
        self.0.iter().try_for_each(|Violation { case, what }| write!(f, "\n- {case}: {what}"))
    }
}

impl std::error::Error for Violations {}
