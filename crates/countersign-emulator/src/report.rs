//! What an observer of the emulator learns about each attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::UnixTime;

use crate::delivery::{Attempt, AttemptOutcome, Delivery, Ending, Status};
use crate::outbox::Totals;
use crate::time;

/// Called after every attempt, on the task that made it: it has to return quickly.
pub type Observer = Arc<dyn Fn(&AttemptReport) + Send + Sync>;

/// One attempt, and the state of its delivery afterwards.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AttemptReport {
    /// The message id, the same for every attempt.
    pub id: String,
    /// The event's type.
    pub event_type: String,
    /// The address that it was sent to.
    pub uri: String,
    /// The number of the attempt, from 1.
    pub number: usize,
    /// The attempt.
    pub attempt: Attempt,
    /// How the delivery ended, if it has.
    pub ending: Option<Ending>,
    /// The emulated time until the next attempt, if there will be one.
    pub next: Option<Duration>,
    /// The emulator's totals after this attempt.
    pub totals: Totals,
}

impl AttemptReport {
    pub(crate) fn new(delivery: &Delivery, totals: &Totals, now: UnixTime) -> Option<Self> {
        let (ending, next) = match delivery.status {
            Status::Ended(ending) => (Some(ending), None),
            Status::Waiting { until } => {
                (None, Some(Duration::from_millis(until.as_millis().saturating_sub(now.as_millis()))))
            }
            Status::InFlight => (None, None),
        };
        Some(Self {
            id: delivery.id.as_str().into(),
            event_type: delivery.event_type.clone(),
            uri: delivery.uri.to_string(),
            number: delivery.attempts.len(),
            attempt: delivery.attempts.last()?.clone(),
            ending,
            next,
            totals: totals.clone(),
        })
    }
}

/// One line for people to read.
impl fmt::Display for AttemptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, event_type, uri, number, attempt, .. } = self;
        let at = time::to_the_second(attempt.at);
        write!(f, "{at} {id} {event_type} → {uri} attempt {number} ({}): ", attempt.scheme)?;
        match &attempt.outcome {
            AttemptOutcome::Response { status, excerpt, .. } => {
                write!(f, "{status} in {} ms", attempt.latency.as_millis())?;
                excerpt.iter().try_for_each(|excerpt| write!(f, " ({excerpt})"))?;
            }
            AttemptOutcome::NoResponse(why) => f.write_str(why)?,
        }
        if let Some(fault) = attempt.fault {
            write!(f, ", fault {fault}")?;
        }
        match (self.ending, self.next) {
            (Some(Ending::Delivered), _) | (None, None) => Ok(()),
            (Some(ending), _) => write!(f, ", {}", ending.as_str().replace('_', " ")),
            (None, Some(next)) => {
                let next = Duration::from_secs(next.as_secs() + u64::from(next.subsec_nanos() > 0));
                write!(f, ", again in {}", humantime::format_duration(next))
            }
        }
    }
}
