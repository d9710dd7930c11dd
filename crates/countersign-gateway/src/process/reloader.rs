//! Reads the configuration again, and puts what it says in the place of what runs.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::service_manager::ServiceManager;
use super::watched_files::{self, WatchedFiles};
use crate::config::{Config, ConfigError};
use crate::inbox::Destinations;
use crate::log::Log;
use crate::reconcile::Reconciler;
use crate::reload::{Outcome, Requests};
use crate::serve::Slots;
use crate::services::Exchange;
use crate::source_keys::RemoteSet;
use crate::state::{State, Surroundings};
use crate::upstream::{self, Upstreams};

/// How long a reload waits for key sets that it adds.
const FIRST_FETCH: Duration = Duration::from_secs(5);
/// How often certificates are checked for their expiry, in addition to the start and each reload.
const DAY: Duration = Duration::from_hours(24);

/// Reloads the configuration, one reload at a time.
pub(super) struct Reloader {
    /// The configuration that the process started with.
    pub(super) started: Config,
    /// What runs.
    pub(super) state: State,
    /// The files of the configuration, if a change to one of them reloads it.
    pub(super) watched: Option<WatchedFiles>,
    pub(super) slots: Arc<Slots>,
    pub(super) log: Log,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) exchange: Exchange,
    /// The upstreams that have background tasks.
    pub(super) upstreams: watch::Sender<Vec<Arc<Upstreams>>>,
    /// The destinations of inboxes, which have background tasks.
    pub(super) destinations: watch::Sender<Destinations>,
    /// What looks for missing jobs.
    pub(super) reconcilers: watch::Sender<Vec<Arc<Reconciler>>>,
    /// The key sets that have background tasks.
    pub(super) key_sets: watch::Sender<Vec<RemoteSet>>,
    pub(super) manager: ServiceManager,
}

impl Reloader {
    /// Reloads for each signal, each request and each change of a watched file, and warns of certificates once a day.
    /// It never ends.
    pub(super) async fn serve(&mut self, mut hangups: Signal, mut requests: Requests) {
        let mut daily = interval(DAY);
        // The first tick would be at once, and the start has warned.
        daily.reset();
        let mut polls = interval(watched_files::INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = polls.tick(), if self.watched.is_some() => {
                    if self.watched.as_mut().is_some_and(WatchedFiles::have_changed) {
                        drop(self.reload().await);
                    }
                }
                _ = daily.tick() => self.warn_of_certificates(),
                _ = hangups.recv() => drop(self.reload().await),
                Some(reply) = requests.recv() => {
                    let outcome = self.reload().await;
                    // The client may have disconnected.
                    let _ = reply.send(outcome);
                }
            }
        }
    }

    fn warn_of_certificates(&self) {
        let now = SystemClock.now();
        for warning in self.state.expiries.iter().filter_map(|expiry| expiry.warning(now)) {
            tracing::warn!("{warning}");
        }
    }

    async fn reload(&mut self) -> Outcome {
        self.manager.reloading();
        if let Some(watched) = &mut self.watched {
            watched.start_reading();
        }
        let outcome = self.try_reload().await;
        // Also after an error: the previous configuration is served.
        self.manager.ready();
        self.state.metrics.counts().reloaded(outcome.is_ok());
        match outcome {
            Ok(warnings) => {
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                let (sources, routes) = (self.state.sources.len(), self.state.routes.len());
                tracing::info!(sources, routes, "the configuration was reloaded");
                Ok(warnings)
            }
            Err(error) => {
                tracing::error!("the configuration was not reloaded, and the previous one stays in use: {error}");
                Err(error.to_string())
            }
        }
    }

    /// Changes nothing if it fails.
    async fn try_reload(&mut self) -> Result<Vec<String>, ConfigError> {
        let config = Config::load(self.started.file())?.for_running(&self.started)?;
        if let Some(watched) = &mut self.watched {
            watched.watch(config.files());
        }
        let surroundings = Surroundings { slots: &self.slots, log: &self.log, clock: &self.clock };
        let mut next = State::build(&config, Some(&self.state), surroundings)?;
        // Before the first request needs them.
        tokio::join!(
            upstream::resolve(new_upstreams(&self.state, &next)),
            fetch(new_sets(&self.state.key_sets, &next.key_sets))
        );
        let mut warnings: Vec<_> = config.warnings.iter().chain(&next.warnings).map(ToString::to_string).collect();
        warnings.extend(forgetful(&self.state, &next));
        self.exchange.put(&next);
        next.keep_listeners(&self.state);
        self.upstreams.send_replace(next.upstreams());
        self.destinations.send_replace(self.exchange.destinations(&next));
        self.reconcilers.send_replace(next.reconcilers());
        self.key_sets.send_replace(next.key_sets.clone());
        self.state = next;
        Ok(warnings)
    }
}

fn new_upstreams(previous: &State, next: &State) -> Vec<Arc<Upstreams>> {
    let known = previous.upstreams();
    next.upstreams().into_iter().filter(|new| !known.iter().any(|known| Arc::ptr_eq(known, new))).collect()
}

fn new_sets(known: &[RemoteSet], wanted: &[RemoteSet]) -> Vec<RemoteSet> {
    wanted.iter().filter(|set| !known.iter().any(|known| known.is_same(set))).cloned().collect()
}

/// Fetches these key sets at once. Failures are logged there, and their background tasks try again.
pub(super) async fn fetch(sets: Vec<RemoteSet>) {
    let mut fetches = tokio::task::JoinSet::new();
    for set in sets {
        fetches.spawn(async move { drop(set.refresh().await) });
    }
    let _ = tokio::time::timeout(FIRST_FETCH, fetches.join_all()).await;
}

/// A warning for each source whose store begins empty, though the source goes on.
fn forgetful<'a>(previous: &'a State, next: &'a State) -> impl Iterator<Item = String> + 'a {
    let is_new = |name: &String, store| previous.sources.get(name).is_some_and(|source| !source.store.is_same(store));
    next.sources.iter().filter(move |(name, source)| is_new(name, &source.store)).map(|(name, _)| {
        format!("the `replay` settings of source `{name}` have changed: its previous message ids are forgotten")
    })
}
