//! The part that every kind of job has: name, times and state.

use std::time::Duration;

use countersign::UnixTime;

use super::text;

/// The message of a job that was asked to fail.
pub(crate) const FAILURE: &str = "the job was asked to fail";

/// A job's name, times and state.
pub(crate) struct Record {
    /// The name that a client asks for it by: an interaction's id, `batches/…`, `models/…/operations/…`.
    pub(crate) name: String,
    pub(crate) created: UnixTime,
    pub(crate) updated: UnixTime,
    pub(crate) state: State,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Runs until then, and ends like this.
    Running { until: UnixTime, end: End },
    /// Has ended like this.
    Ended(End),
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    RequiresAction,
    Failed,
    Cancelled,
    Expired,
    /// The output of an interaction is incomplete.
    Incomplete,
    /// An interaction has exceeded its budget.
    BudgetExceeded,
}

impl Record {
    /// A job that is created now.
    pub(crate) fn new(name: String, now: UnixTime, state: State) -> Self {
        Self { name, created: now, updated: now, state }
    }

    /// Whether its state can still change.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Ended(End::RequiresAction))
    }

    /// When it ends, if it is running.
    pub(crate) fn due(&self) -> Option<UnixTime> {
        match self.state {
            State::Running { until, .. } => Some(until),
            State::Ended(_) => None,
        }
    }
}

impl State {
    /// A job that runs for `duration`, and ends as its texts ask for.
    pub(crate) fn running(texts: &str, now: UnixTime, duration: Duration) -> Self {
        let end = if texts.contains(text::FAIL) { End::Failed } else { End::Succeeded };
        Self::Running { until: now.saturating_add(duration), end }
    }
}

impl End {
    /// Parses a verb of `/_emulator/jobs`.
    pub(crate) fn parse(verb: &str) -> Option<Self> {
        Some(match verb {
            "complete" => Self::Succeeded,
            "require_action" => Self::RequiresAction,
            "fail" => Self::Failed,
            "cancel" => Self::Cancelled,
            "expire" => Self::Expired,
            "leave_incomplete" => Self::Incomplete,
            "exceed_budget" => Self::BudgetExceeded,
            _ => return None,
        })
    }
}

/// The last segment of a resource name.
pub(crate) fn last_segment(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
