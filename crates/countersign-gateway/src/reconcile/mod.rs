//! Finds jobs whose webhooks were never delivered, and hands them over.
//!
//! A [`Reconciler`] asks the Gemini API which jobs have ended, and compares them with what the inbox has received from the
//! source of its route. The comparison is that of `countersign-reconcile`.
//!
//! The contents of an event that is handed over come from the API only, never from the client of a command: a command
//! names a job. The event is stored like a message, with an id that depends on the job, so that it is delivered once.

mod hand_over;

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign_client::ClientBuilder;
use countersign_reconcile::{Api, ApiError, JobName, Missing, Report, Seen, SeenError, Terms, WebhookState, reconcile};
use http::HeaderValue;
use tokio::sync::Mutex;

use crate::config::{Events, ReconcileSpec};
use crate::metrics::ReconcileCounts;
pub use hand_over::{HandOverError, HandedOver, Target};

/// A delivery may have arrived before the end that the API reports, since clocks differ.
const SKEW: Duration = Duration::from_hours(1);
/// The most jobs that are named in a line of the log.
const NAMED: usize = 10;

/// Finds the missing jobs of one route.
pub struct Reconciler {
    settings: Settings,
    target: Target,
    api: Api,
    counts: ReconcileCounts,
    clock: Arc<dyn Clock>,
    /// What the inbox has received. It is read once as a whole, and then what is new.
    seen: Mutex<Seen>,
}

/// What a reload may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The table of the configuration.
    pub spec: ReconcileSpec,
    /// The API key.
    pub key: HeaderValue,
    /// The event types that the route forwards. All others are not missing.
    pub events: Option<Events>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The API did not respond as it should.
    #[error("{0}")]
    Api(#[from] ApiError),
    /// The inbox cannot be read.
    #[error("{0}")]
    Seen(#[from] SeenError),
}

impl Reconciler {
    /// Looks for the missing jobs of `target`, with requests that `client` sends. Nothing is requested yet.
    pub fn new(
        settings: Settings,
        client: ClientBuilder,
        target: Target,
        counts: ReconcileCounts,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let api = Api::new(client, settings.spec.base_url.0.clone(), settings.key.clone());
        Self { settings, target, api, counts, clock, seen: Mutex::default() }
    }

    /// Whether another one with these settings would do the same.
    pub fn is_like(&self, settings: &Settings, target: &Target) -> bool {
        self.settings == *settings && self.target.is_like(target)
    }

    /// The name of its route.
    pub fn route(&self) -> &str {
        &self.target.route
    }

    /// Runs at once, and then again and again. It never ends.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.settings.spec.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let route = &*self.target.route;
            match self.run_once().await {
                Ok(report) => self.finish(&report).await,
                Err(error) => {
                    self.counts.ran("failure");
                    tracing::warn!(route, "missing jobs cannot be looked for: {error}");
                }
            }
        }
    }

    /// Asks the API, and compares. Nothing is handed over.
    pub async fn run_once(&self) -> Result<Report, RunError> {
        let now = self.clock.now();
        let ReconcileSpec { since, grace, .. } = self.settings.spec;
        let terms = Terms { since: now.saturating_sub(since), until: now.saturating_sub(grace) };
        let mut seen = self.seen.lock().await;
        seen.update(&self.target.inbox.inbox, &self.target.source, now.saturating_sub(since + SKEW), now).await?;
        let mut report = reconcile(&self.api, &seen, &[], terms).await?;
        report.missing.retain(|missing| {
            let events = self.settings.events.as_ref();
            let is_forwarded = |name| events.is_none_or(|events| events.filter().admits(Some(name)));
            missing.event_type().is_some_and(is_forwarded)
        });
        Ok(report)
    }

    async fn finish(&self, report: &Report) {
        let route = &*self.target.route;
        let disabled = report.webhooks.iter().filter(|one| one.state == WebhookState::DisabledDueToFailedDeliveries);
        let disabled: Vec<_> = disabled.map(|webhook| &*webhook.id).collect();
        if !disabled.is_empty() {
            let webhooks = disabled.join(", ");
            let how = "enable them with `countersign reconcile --enable`";
            tracing::warn!(route, webhooks, "the sender has disabled webhooks because deliveries failed: {how}");
        }
        self.counts.disabled(disabled.len());
        let mut left = report.missing.len();
        if self.settings.spec.hand_over {
            left -= self.store_all(&report.missing).await;
        } else if left > 0 {
            let jobs: Vec<_> = report.missing.iter().take(NAMED).map(|missing| missing.name().as_str()).collect();
            let jobs = jobs.join(", ");
            tracing::warn!(route, count = left, jobs, "jobs have ended, but no webhooks about them were delivered");
        }
        self.counts.missing(left);
        self.counts.ran("success");
    }

    /// Stores events about these jobs until one cannot be stored. Returns how many there are now.
    async fn store_all(&self, missing: &[Missing]) -> usize {
        let route = &*self.target.route;
        for (position, missing) in missing.iter().enumerate() {
            let (job, event_type) = (missing.name().as_str(), missing.event_type());
            match self.store(missing).await {
                Ok(HandedOver::Stored) => {
                    tracing::warn!(route, job, event_type, "a webhook was lost: its event is polled and delivered");
                }
                Ok(HandedOver::Before) => {}
                // The inbox fails, and the next run tries all others again.
                Err(error) => {
                    tracing::warn!(route, job, event_type, "the event of a lost webhook is not stored: {error}");
                    return position;
                }
            }
        }
        missing.len()
    }

    /// Asks the API for this job, and delivers an event about its end. The id of the event is returned, too.
    pub async fn hand_over(&self, name: &JobName) -> Result<(HandedOver, String), HandOverError> {
        let job = self.api.job(name).await.map_err(HandOverError::Api)?.ok_or(HandOverError::Unknown)?;
        let missing = Missing::about(job).ok_or(HandOverError::NoEvent)?;
        let id = missing.message_id().ok_or(HandOverError::NoEvent)?;
        Ok((self.store(&missing).await?, id))
    }

    async fn store(&self, missing: &Missing) -> Result<HandedOver, HandOverError> {
        let stored = self.target.store(missing, self.clock.read()).await?;
        if stored == HandedOver::Stored {
            self.counts.handed_over();
        }
        Ok(stored)
    }
}
