//! The inbox under test, and its clock.

use std::time::Duration;

use countersign::clock::ClockReading;

use crate::contract::Inbox;

/// The leases that the cases use.
pub const LEASE: Duration = Duration::from_secs(2);
/// How long the cases let an inbox remember ids and keep ended deliveries.
pub const RETAIN: Duration = Duration::from_secs(6);
/// How late an inbox may end a lease or make a delivery due. It must never do so early.
pub const GRACE: Duration = Duration::from_secs(1);

/// Creates the inboxes to test, and advances their time.
#[expect(async_fn_in_trait, reason = "the cases run in one task, so that no future has to be `Send`")]
pub trait Subject {
    /// The type of the inbox.
    type Inbox: Inbox;

    /// Creates an empty inbox with room for 1,000 messages.
    async fn inbox(&self) -> Self::Inbox;

    /// Creates an inbox that is full after `capacity` messages. Returns `None` if the inbox has no such limit.
    async fn small_inbox(&self, capacity: usize) -> Option<Self::Inbox>;

    /// Reads the clock that callers of the inbox use.
    fn now(&self) -> ClockReading;

    /// Advances the time of the inbox and of its callers: sets a test clock, or waits.
    async fn pass(&self, by: Duration);
}
