//! The result of a run, as text and as JSON.

use std::fmt;

use countersign_reconcile::{Missing, Report, Webhook, WebhookState};
use serde::Serialize;

use crate::output::{columns, shown};
use crate::time;

/// The result of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    delivered: usize,
    running: usize,
    recent: usize,
    pub(crate) missing: Vec<FoundJob>,
    pub(crate) unknown: Vec<String>,
    partial: bool,
    pub(crate) webhooks: Vec<FoundWebhook>,
}

/// A job that is missing.
#[derive(Debug, Serialize)]
pub(crate) struct FoundJob {
    pub(crate) job: String,
    pub(crate) event_type: Option<&'static str>,
    state: String,
    ended: Option<String>,
    subscribed: bool,
    pub(crate) handed_over: bool,
    pub(crate) problem: Option<String>,
}

/// A webhook of the project.
#[derive(Debug, Serialize)]
pub(crate) struct FoundWebhook {
    pub(crate) id: String,
    uri: String,
    state: String,
    pub(crate) enabled_now: bool,
}

impl Found {
    pub(crate) fn new(report: &Report) -> Self {
        Self {
            delivered: report.delivered,
            running: report.running,
            recent: report.recent,
            missing: report.missing.iter().map(FoundJob::new).collect(),
            unknown: report.unknown.iter().map(ToString::to_string).collect(),
            partial: report.is_partial,
            webhooks: report.webhooks.iter().map(FoundWebhook::new).collect(),
        }
    }

    /// Whether a job is missing that was not handed over.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.partial || !self.unknown.is_empty() || self.missing.iter().any(|one| !one.handed_over)
    }
}

impl FoundJob {
    fn new(missing: &Missing) -> Self {
        Self {
            job: missing.name().to_string(),
            event_type: missing.event_type(),
            state: missing.state().to_owned(),
            ended: missing.ended().and_then(|at| time::format(at.as_secs())),
            subscribed: missing.is_subscribed,
            handed_over: false,
            problem: None,
        }
    }

    fn note(&self) -> String {
        match self {
            Self { handed_over: true, .. } => "handed over".to_owned(),
            Self { problem: Some(problem), .. } => format!("not handed over: {}", shown(problem)),
            Self { event_type: None, .. } => "no event is known for this end".to_owned(),
            Self { subscribed: false, .. } => "no registered webhook is for this type".to_owned(),
            _ => String::new(),
        }
    }
}

impl FoundWebhook {
    fn new(webhook: &Webhook) -> Self {
        let Webhook { id, uri, state, .. } = webhook;
        Self { id: id.clone(), uri: uri.clone(), state: state.as_str().to_owned(), enabled_now: false }
    }

    fn note(&self) -> String {
        if self.enabled_now {
            "enabled now".to_owned()
        } else if self.state == WebhookState::DisabledDueToFailedDeliveries.as_str() {
            format!("add --enable {}", shown(&self.id))
        } else {
            String::new()
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [("delivered", self.delivered), ("running", self.running), ("recent", self.recent)];
        let counts = counts.map(|(name, number)| format!("{name}: {number}")).join(", ");
        writeln!(f, "missing: {}, {counts}", self.missing.len())?;
        if !self.missing.is_empty() {
            let mut rows = vec![["JOB", "EVENT", "STATE", "ENDED", "NOTE"].map(str::to_owned)];
            let or_dash = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), shown);
            rows.extend(self.missing.iter().map(|one| {
                let ended = or_dash(one.ended.as_deref());
                [shown(&one.job), or_dash(one.event_type), shown(&one.state), ended, one.note()]
            }));
            f.write_str(&columns(&rows))?;
        }
        if !self.webhooks.is_empty() {
            let mut rows = vec![["WEBHOOK", "STATE", "URI", "NOTE"].map(str::to_owned)];
            let row = |one: &FoundWebhook| [shown(&one.id), shown(&one.state), shown(&one.uri), one.note()];
            rows.extend(self.webhooks.iter().map(row));
            f.write_str(&columns(&rows))?;
        }
        for job in &self.unknown {
            writeln!(f, "the project has no job `{}`", shown(job))?;
        }
        if self.partial {
            writeln!(f, "the project has more batches than were read: older ones may be missing, too")?;
        }
        Ok(())
    }
}
