//! The store under test, and its clock.

use std::time::Duration;

use crate::clock::ClockReading;
use crate::replay::contract::ReplayStore;

/// The lease of the claims that the cases make.
pub const LEASE: Duration = Duration::from_secs(2);
/// How long the stores of the cases remember confirmed keys.
pub const RETAIN: Duration = Duration::from_secs(6);
/// How late a store may free a claim or forget a key. It must never do so early.
pub const GRACE: Duration = Duration::from_secs(1);

/// Creates the stores to test, and advances their time.
#[expect(async_fn_in_trait, reason = "the cases run in one task, so that no future has to be `Send`")]
pub trait Subject {
    /// The type of the store.
    type Store: ReplayStore;

    /// Creates an empty store with room for 1,000 keys that remembers confirmed keys for `retain`.
    async fn store(&self, retain: Duration) -> Self::Store;

    /// Creates a store with room for `capacity` keys only. Returns `None` if the store has no such limit.
    async fn small_store(&self, retain: Duration, capacity: usize) -> Option<Self::Store>;

    /// Reads the clock that callers of the store use.
    fn now(&self) -> ClockReading;

    /// Advances the time of the store and of its callers: sets a test clock, or waits.
    async fn pass(&self, by: Duration);
}
