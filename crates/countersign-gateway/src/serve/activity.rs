//! The activity on a connection, and the time limits that follow from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use http::StatusCode;
use tokio::sync::watch;

use super::discard::LINGER;
use super::slots::Phase;

/// How long a client may keep a connection open without progress.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the start of the connection, or the first byte of a head, to the end of the head.
    pub head: Duration,
    /// From the end of a response to the next request.
    pub idle: Duration,
    /// For which the client reads nothing of a response.
    pub write: Duration,
}

/// The upper limit of `head` and `idle` while more than three quarters of the connections are in use.
const CROWDED: Duration = Duration::from_secs(5);
/// How long a connection without a request may take to close, after the process began to stop or the idle timeout
/// expired.
const GRACE: Duration = Duration::from_secs(1);
/// How often the gateway checks whether a sender that waits for a response has disconnected.
pub(super) const CHECK: Duration = Duration::from_secs(1);

impl Timeouts {
    /// The timeouts in this phase.
    pub(super) fn at(self, phase: &watch::Receiver<Phase>) -> Self {
        if *phase.borrow() == Phase::Crowded { self.crowded() } else { self }
    }

    fn crowded(self) -> Self {
        Self { head: self.head.min(CROWDED), idle: self.idle.min(CROWDED), ..self }
    }
}

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    epoch: Instant,
    /// Milliseconds from `epoch` to the last start or end of a request.
    since: AtomicU64,
    open: AtomicUsize,
    has_begun: AtomicBool,
    /// How many requests began in the current turn of the connection.
    begun: AtomicUsize,
    /// Whether a part of the last request's body has not been read.
    body_unread: AtomicBool,
    /// Whether the last response was an error of the client.
    was_rejected: AtomicBool,
}

impl Activity {
    pub(super) fn new(accepted: Instant) -> Arc<Self> {
        Arc::new(Self {
            epoch: accepted,
            since: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            has_begun: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            body_unread: AtomicBool::new(false),
            was_rejected: AtomicBool::new(false),
        })
    }

    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.has_begun.store(true, Ordering::Relaxed);
        self.touch();
        Open(Arc::clone(self))
    }

    /// Requests were served before this began.
    pub(super) fn set_begun(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// A turn of the connection begins.
    pub(super) fn begin_turn(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }

    /// Whether other connections should run before the next request of this one.
    pub(super) fn has_had_turn(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 1
    }

    /// Notes the status of a response.
    pub(super) fn note_status(&self, status: StatusCode) {
        self.was_rejected.store(status.is_client_error(), Ordering::Relaxed);
    }

    /// Whether the last request was rejected. Then other connections run before the next one, so that authentic deliveries
    /// overtake a flood of forged ones.
    pub(super) fn was_rejected(&self) -> bool {
        self.was_rejected.load(Ordering::Relaxed)
    }

    pub(super) fn set_body_unread(&self, unread: bool) {
        self.body_unread.store(unread, Ordering::Relaxed);
    }

    pub(super) fn is_body_unread(&self) -> bool {
        self.body_unread.load(Ordering::Relaxed)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn since(&self) -> Instant {
        self.epoch + Duration::from_millis(self.since.load(Ordering::Relaxed))
    }

    fn touch(&self) {
        let elapsed = SystemClock.instant().saturating_duration_since(self.epoch);
        self.since.store(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A request in progress, from its head to the end of the response body.
#[derive(Debug)]
pub(super) struct Open(Arc<Activity>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

/// The action that is due if nothing else happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Check whether the sender is still connected.
    Check,
    /// Reject the request: its head is incomplete.
    Head,
    /// Close the connection: it has no request.
    Idle,
    /// Close the connection: the client does not read.
    Write,
    /// Close the connection: the rest of a rejected request took too long.
    Linger,
}

/// The state of a connection at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// When the write half was shut down.
    pub(super) lingering: Option<Instant>,
    /// Since when the socket accepts no more bytes.
    pub(super) blocked: Option<Instant>,
    /// When the first byte of an incomplete head arrived.
    pub(super) head: Option<Instant>,
    /// When the connection was asked to close after its current requests.
    pub(super) closing: Option<Instant>,
    /// When the sender was last known to be connected.
    pub(super) checked: Instant,
    /// Whether a blocked write counts as activity. It does in HTTP/1.1, which has one response at a time.
    pub(super) one_at_a_time: bool,
}

impl Moment {
    /// The action that is due first, and its time.
    pub(super) fn due(&self, activity: &Activity, timeouts: Timeouts) -> (Instant, Due) {
        if let Some(since) = self.lingering {
            return (since + LINGER, Due::Linger);
        }
        let write = self.blocked.map(|since| (since + timeouts.write, Due::Write));
        if let Some(write) = write.filter(|_| self.one_at_a_time) {
            return write;
        }
        let since = activity.since();
        let request = match (activity.open() > 0, self.closing, self.head) {
            (true, _, _) => (since.max(self.checked) + CHECK, Due::Check),
            (false, Some(closing), _) => (since.max(closing) + GRACE, Due::Idle),
            (false, None, Some(head)) => (since.max(head) + timeouts.head, Due::Head),
            (false, None, None) if activity.has_begun() => (since + timeouts.idle, Due::Idle),
            (false, None, None) => (since + timeouts.head, Due::Idle),
        };
        write.map_or(request, |write| write.min_by_time(request))
    }
}

trait MinByTime {
    fn min_by_time(self, other: Self) -> Self;
}

impl MinByTime for (Instant, Due) {
    fn min_by_time(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts =
        Timeouts { head: Duration::from_secs(30), idle: Duration::from_secs(75), write: Duration::from_secs(20) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_due_follows_from_what_the_connection_does() {
        let start = SystemClock.instant();
        let activity = Activity::new(start);
        let moment =
            Moment { lingering: None, blocked: None, head: None, closing: None, checked: start, one_at_a_time: true };
        let due = |moment: Moment, timeouts| {
            let (at, due) = moment.due(&activity, timeouts);
            (at - start, due)
        };
        // Silent, then half a head.
        assert_eq!(due(moment, TIMEOUTS), (seconds(30), Due::Idle));
        assert_eq!(due(moment, TIMEOUTS.crowded()), (seconds(5), Due::Idle));
        let half = Moment { head: Some(start + seconds(20)), ..moment };
        assert_eq!(due(half, TIMEOUTS), (seconds(50), Due::Head));
        assert_eq!(due(half, TIMEOUTS.crowded()), (seconds(25), Due::Head));
        // Asked to close: it waits for neither.
        assert_eq!(due(Moment { closing: Some(start + seconds(3)), ..half }, TIMEOUTS), (seconds(4), Due::Idle));
        // A request is in progress: only the connection of its sender is checked.
        let open = activity.begin();
        activity.since.store(7000, Ordering::Relaxed);
        assert_eq!(due(half, TIMEOUTS), (seconds(8), Due::Check));
        assert_eq!(due(Moment { closing: Some(start), checked: start + seconds(9), ..half }, TIMEOUTS).0, seconds(10));
        // The client does not read the response.
        let blocked = Moment { blocked: Some(start + seconds(1)), ..moment };
        assert_eq!(due(blocked, TIMEOUTS), (seconds(21), Due::Write));
        drop(open);
        activity.since.store(9000, Ordering::Relaxed);
        assert_eq!(due(moment, TIMEOUTS), (seconds(84), Due::Idle));
        // A blocked write does not extend an HTTP/2 connection.
        let writing = Moment { blocked: Some(start + seconds(80)), one_at_a_time: false, ..moment };
        assert_eq!(due(writing, TIMEOUTS), (seconds(84), Due::Idle));
        assert_eq!(due(Moment { lingering: Some(start), ..writing }, TIMEOUTS), (seconds(2), Due::Linger));
    }
}
