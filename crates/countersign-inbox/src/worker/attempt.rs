//! One attempt to deliver a message, and what follows from it: a pure function of its outcome.

use std::sync::Arc;
use std::time::Duration;

use countersign::UnixTime;

use crate::delivery::DeliveryId;
use crate::message::StoredMessage;
use crate::schedule::Schedule;

/// A message that a worker delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The number of this attempt, starting at 1.
    pub number: u32,
    /// When the delivery was enqueued or requeued. The retry schedule starts here.
    pub since: UnixTime,
    /// The message.
    pub message: StoredMessage,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The message was handled.
    Done,
    /// It was not. It is attempted again.
    Failed {
        /// What is recorded as the last error.
        error: String,
        /// How long the destination wants to be left alone, for example by `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No attempt can succeed. The delivery is kept as a dead letter.
    Hopeless {
        /// What is recorded as the last error.
        error: String,
    },
}

impl AttemptOutcome {
    /// A failure after which the schedule decides when the message is attempted again.
    pub fn failed(error: impl Into<String>) -> Self {
        Self::Failed { error: error.into(), retry_after: None }
    }
}

/// Delivers messages. Implemented for functions from an [`Attempt`] to a future of an [`AttemptOutcome`].
///
/// # At least once
///
/// A message can be delivered more than once: if the process ends after the delivery and before its result is recorded,
/// or if the result cannot be recorded. A future that does not complete in time is dropped.
pub trait Deliver: Send + Sync + 'static {
    /// Delivers a message once.
    fn deliver(&self, attempt: Attempt) -> impl Future<Output = AttemptOutcome> + Send;
}

impl<F, R> Deliver for F
where
    F: Fn(Attempt) -> R + Send + Sync + 'static,
    R: Future<Output = AttemptOutcome> + Send,
{
    fn deliver(&self, attempt: Attempt) -> impl Future<Output = AttemptOutcome> + Send {
        self(attempt)
    }
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: the delivery is done.
    Done,
    /// The delivery is attempted again after `delay`.
    Retry {
        /// The time until then.
        delay: Duration,
        /// The error of the attempt.
        error: String,
    },
    /// The delivery is kept as a dead letter.
    Dead {
        /// The error of the last attempt.
        error: String,
    },
}

impl NextStep {
    /// What follows from the attempt with this number, which ended `elapsed` after [`Attempt::since`]. `chance` is a random
    /// number between 0 and 1.
    pub fn after(outcome: AttemptOutcome, attempt: u32, elapsed: Duration, schedule: &Schedule, chance: f64) -> Self {
        let (error, retry_after) = match outcome {
            AttemptOutcome::Done => return Self::Done,
            AttemptOutcome::Hopeless { error } => return Self::Dead { error },
            AttemptOutcome::Failed { error, retry_after } => (error, retry_after),
        };
        match schedule.next(attempt, elapsed, retry_after, chance) {
            Some(next) => Self::Retry { delay: next.saturating_sub(elapsed), error },
            None => Self::Dead { error },
        }
    }

    /// Its name in metrics: `done`, `retry` or `dead`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry { .. } => "retry",
            Self::Dead { .. } => "dead",
        }
    }
}

/// Called after each attempt.
pub(super) type Hook = Arc<dyn Fn(&NextStep) + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn step(outcome: AttemptOutcome, elapsed: Duration) -> NextStep {
        NextStep::after(outcome, 1, elapsed, &Schedule::default(), 0.5)
    }

    #[test]
    fn a_failure_is_retried_until_the_time_is_over() {
        assert_eq!(step(AttemptOutcome::Done, 30 * HOUR), NextStep::Done);
        let failed = |retry_after| AttemptOutcome::Failed { error: "status 503".to_owned(), retry_after };
        for (retry_after, secs) in [(None, 10), (Some(Duration::from_secs(60)), 60), (Some(Duration::ZERO), 10)] {
            let expected = NextStep::Retry { delay: Duration::from_secs(secs), error: "status 503".to_owned() };
            assert_eq!(step(failed(retry_after), HOUR), expected);
        }
        assert_eq!(step(failed(None), 24 * HOUR), NextStep::Dead { error: "status 503".to_owned() });
        let hopeless = AttemptOutcome::Hopeless { error: "path_too_long".to_owned() };
        assert_eq!(step(hopeless, Duration::ZERO), NextStep::Dead { error: "path_too_long".to_owned() });
    }
}
