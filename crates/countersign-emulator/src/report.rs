//! What whoever watches the emulator is told of an attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::UnixTime;

use crate::delivery::{Answer, Attempt, Delivery, Ending, Status};
use crate::outbox::Totals;
use crate::time;

/// Called after every attempt, on the task that made it: it has to return quickly.
pub type Observer = Arc<dyn Fn(&Report) + Send + Sync>;

/// One attempt, and what became of its delivery.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The message's id: the same for every attempt.
    pub id: String,
    /// The event's type.
    pub event_type: String,
    /// Where it went.
    pub uri: String,
    /// The how-manieth attempt it was.
    pub number: usize,
    /// The attempt.
    pub attempt: Attempt,
    /// How its delivery ended, if it did.
    pub ending: Option<Ending>,
    /// In how much emulated time the next attempt comes, if one does.
    pub next: Option<Duration>,
    /// What had happened by then.
    pub totals: Totals,
}

impl Report {
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

/// A line for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, event_type, uri, number, attempt, .. } = self;
        let at = time::to_the_second(attempt.at);
        write!(f, "{at} {id} {event_type} → {uri} attempt {number} ({}): ", attempt.scheme)?;
        match &attempt.answer {
            Answer::Status { status, said, .. } => {
                write!(f, "{status} in {} ms", attempt.latency.as_millis())?;
                said.iter().try_for_each(|said| write!(f, " ({said})"))?;
            }
            Answer::None(why) => f.write_str(why)?,
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
