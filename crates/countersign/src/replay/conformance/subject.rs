//! The store under test, and its time.

use std::time::Duration;

use crate::clock::ClockReading;
use crate::replay::contract::ReplayStore;

/// The lease of the claims that the cases make.
pub const LEASE: Duration = Duration::from_secs(2);
/// How long the stores of the cases remember confirmed keys.
pub const RETAIN: Duration = Duration::from_secs(6);
/// How much later than asked a store may free a claim or forget a key. Never earlier.
pub const GRACE: Duration = Duration::from_secs(1);

/// Makes stores to test, and lets time pass for them.
#[expect(async_fn_in_trait, reason = "the cases run in one task, so that no future has to be `Send`")]
pub trait Subject {
    /// The store.
    type Store: ReplayStore;

    /// An empty store that remembers confirmed keys for `retain` and has room for 1,000.
    async fn store(&self, retain: Duration) -> Self::Store;

    /// The same with room for `capacity` keys only; `None` if the store has no such limit.
    async fn small_store(&self, retain: Duration, capacity: usize) -> Option<Self::Store>;

    /// A reading of the clock of the store's callers.
    fn now(&self) -> ClockReading;

    /// Lets time pass for the callers and for the store: moves a clock for tests, or waits.
    async fn pass(&self, by: Duration);
}
