//! What has not been delivered.

use countersign::UnixTime;

/// The deliveries of a destination that are not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The destination.
    pub destination: String,
    /// How many wait for their next attempt.
    pub waiting: u64,
    /// How many are leased. A delivery whose lease has expired is counted here until it is leased again.
    pub leased: u64,
    /// How many ran out of attempts.
    pub dead: u64,
    /// When the oldest of those that wait or are leased was enqueued or requeued.
    pub oldest: Option<UnixTime>,
}
