//! One key set, shared by everything that verifies with it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use countersign::KeySet;
use countersign::clock::{Clock, SystemClock};
use countersign::key::SkippedKey;
use tokio::sync::watch;

use crate::cache::{Action, Cache, Change, Config, Held, State, Stats};
use crate::fetch::{Document, Fetch, FetchError};

/// The maximum number of deliveries that wait for a fetch, each with its body in memory.
const MAX_WAITING: usize = 1024;

/// A key set that is kept up to date. A clone is cheap and shares the set.
///
/// Spawn [`run`](Self::run) once for all clones. Without it, nothing is fetched until a delivery needs a missing
/// key, and a key that was withdrawn is trusted for longer.
pub struct Jwks<F, C = SystemClock>(Arc<Inner<F, C>>);

struct Inner<F, C> {
    fetch: F,
    clock: C,
    config: Config,
    cache: Mutex<Cache>,
    /// The cache's set, readable without its lock.
    held: ArcSwapOption<Held>,
    landed: watch::Sender<()>,
}

/// The result of asking for a fetch.
pub(crate) enum Demand {
    /// A fetch is running; this signals its end.
    UnderWay(watch::Receiver<()>),
    /// It is too soon for another fetch.
    TooSoon,
    /// A fetch is running, and too many deliveries wait for it.
    Crowded,
}

impl<F: Fetch, C: Clock> Jwks<F, C> {
    /// Creates a key set that is loaded with `fetch`. Nothing is fetched yet.
    pub fn new(fetch: F, config: Config, clock: C) -> Self {
        let cache = Mutex::new(Cache::new(config.clone(), clock.instant()));
        let (held, landed) = (ArcSwapOption::empty(), watch::Sender::new(()));
        Self(Arc::new(Inner { fetch, clock, config, cache, held, landed }))
    }

    /// The last good set, or `None` if there is none yet or it is too old.
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.serving().as_ref().map(|held| Arc::clone(&held.set))
    }

    /// Statistics for metrics and readiness.
    pub fn stats(&self) -> Stats {
        self.0.cache().stats(self.0.clock.instant())
    }

    /// Fetches newer keys, unless a delivery caused a fetch less than 30 s ago, and returns the last good set.
    /// Concurrent callers share one fetch, which continues if they stop waiting.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn refresh(&self) -> Option<Arc<KeySet>> {
        if let Demand::UnderWay(mut landed) = self.demand() {
            // `self` keeps the sender alive.
            let _ = landed.changed().await;
        }
        self.current()
    }

    /// Refreshes the set in the background, and logs failures. Spawn it: it never ends.
    pub fn run(&self) -> impl Future<Output = ()> + Send + use<F, C> {
        let jwks = self.clone();
        async move {
            let mut landed = jwks.0.landed.subscribe();
            loop {
                landed.mark_unchanged();
                let action = {
                    let (mut cache, now) = (jwks.0.cache(), jwks.0.clock.instant());
                    jwks.0.tell(cache.expired(now));
                    cache.poll(now)
                };
                match action {
                    Action::Fetch => jwks.start(),
                    Action::Join => _ = landed.changed().await,
                    // A fetch that a delivery caused may have changed when the next one is due.
                    Action::Wait(pause) => tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = landed.changed() => {}
                    },
                }
            }
        }
    }

    /// Whether both are clones of the same key set.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The last good set, read without a lock.
    pub(crate) fn serving(&self) -> Guard<Option<Arc<Held>>> {
        let held = self.0.held.load();
        let now = self.0.clock.instant();
        if held.as_ref().is_some_and(|held| self.0.config.is_too_old(held.age(now))) {
            return Guard::from_inner(None);
        }
        held
    }

    /// Whether the last fetch succeeded, so that a key that is not in the set does not exist.
    pub(crate) fn is_fresh(&self) -> bool {
        self.0.cache().state(self.0.clock.instant()) == State::Fresh
    }

    pub(crate) fn demand(&self) -> Demand {
        let (mut cache, now) = (self.0.cache(), self.0.clock.instant());
        self.0.tell(cache.expired(now));
        let action = cache.demand(now);
        // Subscribe before the lock is released, so that the end of the fetch is not missed.
        let landed = self.0.landed.subscribe();
        drop(cache);
        match action {
            Action::Wait(_) => return Demand::TooSoon,
            Action::Join if self.0.landed.receiver_count() > MAX_WAITING => return Demand::Crowded,
            Action::Join => {}
            Action::Fetch => self.start(),
        }
        Demand::UnderWay(landed)
    }

    /// Fetches in a task of its own, because the caller may be dropped.
    fn start(&self) {
        let flight = Flight(Some(Arc::clone(&self.0)));
        tokio::spawn(flight.fly());
    }
}

impl<F, C> Clone for Jwks<F, C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Fetch, C: Clock> fmt::Debug for Jwks<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks")
            .field("location", &self.0.fetch.location())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<F: Fetch, C: Clock> Inner<F, C> {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn land(&self, outcome: Result<Document, FetchError>) {
        let now = self.clock.instant();
        let mut cache = self.cache();
        let change = cache.finished(now, outcome);
        self.held.store(cache.held().cloned().map(Arc::new));
        self.tell_skipped(&cache.take_skipped());
        self.tell(change);
        self.landed.send_replace(());
    }

    fn tell_skipped(&self, skipped: &[SkippedKey]) {
        let location = self.fetch.location();
        for key in skipped {
            let (place, kid, reason) = (key.place(), key.kid(), key.reason());
            if key.is_private() {
                tracing::warn!(%location, place, kid, reason, "a key of the key set is not trusted");
            } else {
                tracing::info!(%location, place, kid, reason, "a key of the key set is skipped");
            }
        }
    }

    fn tell(&self, change: Option<Change>) {
        let location = self.fetch.location();
        match change {
            None => {}
            Some(Change::Up { keys }) => tracing::info!(%location, keys, "the key set is loaded"),
            Some(Change::Rotated { keys }) => tracing::info!(%location, keys, "the key set has changed"),
            Some(Change::Down(error)) => {
                let serving = self.held.load().is_some();
                tracing::warn!(%location, %error, kind = error.kind(), serving, "the key set cannot be fetched");
            }
            Some(Change::TooOld) => {
                tracing::error!(%location, max_stale = ?self.config.max_stale, "the last good key set is too old and no longer used");
            }
        }
    }
}

/// A running fetch. If it is dropped early, by a panic or the end of its runtime, it counts as failed, and the next
/// one may start.
struct Flight<F: Fetch, C: Clock>(Option<Arc<Inner<F, C>>>);

impl<F: Fetch, C: Clock> Flight<F, C> {
    async fn fly(mut self) {
        if let Some(inner) = self.0.clone() {
            let outcome = inner.fetch.fetch().await;
            self.0 = None;
            inner.land(outcome);
        }
    }
}

impl<F: Fetch, C: Clock> Drop for Flight<F, C> {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            inner.land(Err(FetchError::Abandoned));
        }
    }
}
