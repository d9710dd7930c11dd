//! The jobs, in the order of creation and in the order in which they end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign::UnixTime;

use crate::audience::Audience;
use crate::event::Event;
use crate::job::{End, Job, State};
use crate::project::ProjectId;

/// A bounded collection of jobs: the oldest ended ones are forgotten to make room.
pub(crate) struct Jobs {
    by_number: BTreeMap<u64, Job>,
    by_name: HashMap<(ProjectId, String), u64>,
    due: BTreeSet<(UnixTime, u64)>,
    next: u64,
    bytes: usize,
    limits: Limits,
}

/// The maximum number of jobs, and their maximum size in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) jobs: usize,
    pub(crate) bytes: usize,
}

/// What follows from a job's end: its event, if there is one, and the audience.
pub(crate) type Consequence = (Option<Event>, Audience);

impl Jobs {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { by_number: BTreeMap::new(), by_name: HashMap::new(), due: BTreeSet::new(), next: 1, bytes: 0, limits }
    }

    /// Adds a job; `false` if there is no room for it.
    pub(crate) fn add(&mut self, job: Job) -> bool {
        while self.by_number.len() >= self.limits.jobs || self.bytes + job.size > self.limits.bytes {
            let oldest = self.by_number.iter().find(|(_, job)| job.record.due().is_none()).map(|(number, _)| *number);
            let Some(oldest) = oldest else { return false };
            self.remove_numbered(oldest);
        }
        self.bytes += job.size;
        self.by_name.insert((job.project, job.record.name.clone()), self.next);
        self.due.extend(job.record.due().map(|at| (at, self.next)));
        self.by_number.insert(self.next, job);
        self.next += 1;
        true
    }

    pub(crate) fn find(&self, project: ProjectId, name: &str) -> Option<&Job> {
        self.by_number.get(&self.number(project, name)?)
    }

    /// Removes a job; `false` if there is none of this name.
    pub(crate) fn remove(&mut self, project: ProjectId, name: &str) -> bool {
        self.number(project, name).is_some_and(|number| self.remove_numbered(number))
    }

    /// The jobs numbered below `before`, newest first.
    pub(crate) fn newest_first(&self, before: u64) -> impl Iterator<Item = (u64, &Job)> {
        self.by_number.range(..before).rev().map(|(number, job)| (*number, job))
    }

    /// When the next job ends.
    pub(crate) fn next_due(&self) -> Option<UnixTime> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Ends the first job that is due by now.
    pub(crate) fn end_next(&mut self, now: UnixTime) -> Option<Consequence> {
        let (at, number) = *self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.pop_first();
        let job = self.by_number.get_mut(&number)?;
        let State::Running { end, .. } = job.record.state else { return None };
        // It ended when it was due, even if that is noticed later.
        Some((job.end(end, at), audience(job)))
    }

    /// Ends an open job like this; `None` if there is no such job, or it cannot end like this.
    pub(crate) fn end(&mut self, project: ProjectId, name: &str, end: End, now: UnixTime) -> Option<Consequence> {
        let number = self.number(project, name)?;
        let job = self.by_number.get_mut(&number).filter(|job| job.record.is_open() && job.work.can(end))?;
        if let Some(at) = job.record.due() {
            self.due.remove(&(at, number));
        }
        Some((job.end(end, now), audience(job)))
    }

    fn number(&self, project: ProjectId, name: &str) -> Option<u64> {
        self.by_name.get(&(project, name.to_owned())).copied()
    }

    fn remove_numbered(&mut self, number: u64) -> bool {
        let Some(job) = self.by_number.remove(&number) else { return false };
        if let Some(at) = job.record.due() {
            self.due.remove(&(at, number));
        }
        self.bytes -= job.size;
        self.by_name.remove(&(job.project, job.record.name)).is_some()
    }
}

fn audience(job: &Job) -> Audience {
    match &job.webhook_config {
        Some(config) if !config.uris.is_empty() => Audience::Uris(job.project, config.uris.clone()),
        _ => Audience::Subscribers(job.project),
    }
}
