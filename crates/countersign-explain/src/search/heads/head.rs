//! An id and a timestamp.

use countersign::header::{WEBHOOK_ID, WEBHOOK_TIMESTAMP};

use crate::case::Case;
use crate::search::step::Step;

/// An id and a timestamp, and what was undone to get them.
#[derive(Clone, Debug)]
pub(in super::super) struct Head {
    pub(in super::super) id: String,
    pub(in super::super) timestamp: String,
    pub(in super::super) steps: Vec<Step>,
}

impl Head {
    /// As captured.
    pub(in super::super) fn captured(case: &Case) -> Self {
        Self { id: case.header(&WEBHOOK_ID), timestamp: case.header(&WEBHOOK_TIMESTAMP), steps: Vec::new() }
    }

    pub(super) fn with_id(&self, id: String, step: Step) -> Self {
        Self { id, timestamp: self.timestamp.clone(), steps: self.steps.iter().cloned().chain([step]).collect() }
    }

    pub(super) fn with_timestamp(&self, timestamp: String, step: Step) -> Self {
        Self { id: self.id.clone(), timestamp, steps: self.steps.iter().cloned().chain([step]).collect() }
    }
}
