//! One run: asks the API, and compares.

use std::collections::HashSet;
use std::time::Duration;

use crate::api::{Api, ApiError};
use crate::compare::{Standing, Terms};
use crate::event::Missing;
use crate::job::{Job, JobName};
use crate::seen::Seen;
use crate::webhook::Webhook;

/// The most pages of batches that are read.
const MAX_PAGES: usize = 50;
/// How long a batch may take. Older ones ended before the time that is looked at.
const LONGEST_BATCH: Duration = Duration::from_secs(4 * 86_400);

/// What a run has found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many jobs have ended in the time that was looked at, and about which an event was received.
    pub delivered: usize,
    /// How many jobs have not ended.
    pub running: usize,
    /// How many jobs have ended just now, without an event so far.
    pub recent: usize,
    /// The jobs about whose end no event was received.
    pub missing: Vec<Missing>,
    /// The webhooks of the project.
    pub webhooks: Vec<Webhook>,
    /// The named jobs that the project does not have.
    pub unknown: Vec<JobName>,
    /// Whether there are more batches than were read.
    pub is_partial: bool,
}

/// Asks the API for all batches and for the jobs with these names, and compares them with what was received.
///
/// # Errors
/// The first request that failed in spite of its repetitions.
pub async fn reconcile(api: &Api, seen: &Seen, named: &[JobName], terms: Terms) -> Result<Report, ApiError> {
    let mut report = Report { webhooks: api.webhooks().await?, ..Report::default() };
    let mut known = HashSet::new();
    let mut token = None;
    for number in 1..=MAX_PAGES {
        let (batches, next) = api.batches(token.as_deref()).await?;
        let oldest = terms.since.saturating_sub(LONGEST_BATCH);
        // The API does not promise an order, so a page ends the list only if all of it is old.
        let is_old = batches.iter().all(|job| job.created.is_some_and(|at| at < oldest));
        for job in batches {
            if known.insert(job.name.clone()) {
                report.add(&job, seen, terms);
            }
        }
        token = next;
        if token.is_none() || is_old {
            break;
        }
        report.is_partial = number == MAX_PAGES;
    }
    for name in named.iter().cloned().chain(seen.waiting()) {
        if known.insert(name.clone()) {
            match api.job(&name).await? {
                Some(job) => report.add(&job, seen, terms),
                None if named.contains(&name) => report.unknown.push(name),
                None => {}
            }
        }
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, job: &Job, seen: &Seen, terms: Terms) {
        match Standing::of(job, seen, &self.webhooks, terms) {
            Standing::Running => self.running += 1,
            Standing::Recent => self.recent += 1,
            Standing::Delivered => self.delivered += 1,
            Standing::Missing(missing) => self.missing.push(*missing),
            Standing::Old => {}
        }
    }
}
