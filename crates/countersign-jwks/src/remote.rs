//! A verifier whose public keys come from a key set that is kept up to date.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use countersign::Verifier;
use countersign::clock::{Clock, SystemClock};
use countersign::key_source::{KeySource, Refreshed};
use tokio::task::AbortHandle;

use crate::cache::Config;
use crate::fetch::Fetch;
use crate::http::HttpFetch;
use crate::jwks::{Demand, Jwks};

/// The secrets, pinned keys and policy of a verifier, with the keys of a [`Jwks`]. A clone is cheap and shares them.
///
/// Sources that trust the same keys may share one [`Jwks`].
pub struct RemoteKeys<F, C = SystemClock>(Arc<Inner<F, C>>);

struct Inner<F, C> {
    base: Verifier,
    jwks: Jwks<F, C>,
    /// Built once for each set, because it remembers which key matched last.
    combined: ArcSwap<Verifier>,
    _refreshes: Option<Refreshes>,
}

/// The task that [`RemoteKeys::spawn`] started. It ends when this is dropped.
struct Refreshes(AbortHandle);

impl Drop for Refreshes {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RemoteKeys<HttpFetch> {
    /// Adds the keys at a URL to the keys of `base`, and refreshes them in the background. A key set in `base` is
    /// replaced.
    ///
    /// The first fetch starts at once and is not waited for: a delivery that needs a key before it has ended waits for
    /// it. The task that refreshes the keys ends when the last clone is dropped.
    ///
    /// Pass a [`JwksUrl`](crate::JwksUrl), or an [`HttpFetch`] to set a timeout, a proxy or a certificate authority. To
    /// share one key set between sources, or to set [`Config::max_stale`], use [`new`](Self::new).
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    ///
    /// ```no_run
    /// use countersign::{KeySet, Verifier};
    /// use countersign_jwks::{JwksUrl, RemoteKeys};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let base = Verifier::builder("gemini").key_set(KeySet::default()).build()?;
    /// let url = JwksUrl::parse("https://generativelanguage.googleapis.com/.well-known/jwks.json")?;
    /// let keys = RemoteKeys::spawn(base, url);
    /// # drop(keys);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn(base: Verifier, from: impl Into<HttpFetch>) -> Self {
        let jwks = Jwks::new(from.into(), Config::default(), SystemClock);
        let task = tokio::spawn(jwks.run());
        Self::with(base, jwks, Some(Refreshes(task.abort_handle())))
    }
}

impl<F: Fetch, C: Clock> RemoteKeys<F, C> {
    /// Adds the keys of `jwks` to the keys of `base`. A key set in `base` is replaced.
    ///
    /// Spawn [`Jwks::run`] once for each key set. [`spawn`](RemoteKeys::spawn) does both.
    pub fn new(base: Verifier, jwks: Jwks<F, C>) -> Self {
        Self::with(base, jwks, None)
    }

    fn with(base: Verifier, jwks: Jwks<F, C>, refreshes: Option<Refreshes>) -> Self {
        let combined = ArcSwap::from_pointee(base.clone());
        Self(Arc::new(Inner { base, jwks, combined, _refreshes: refreshes }))
    }

    /// The key set, for example for its statistics.
    pub fn jwks(&self) -> &Jwks<F, C> {
        &self.0.jwks
    }

    /// The verifier with the current keys, unless there are none, or they are too old.
    fn combined(&self) -> Option<Verifier> {
        let held = self.0.jwks.serving();
        let set = &held.as_ref()?.set;
        let combined = self.0.combined.load();
        if Arc::ptr_eq(combined.key_set(), set) {
            return Some(Verifier::clone(&combined));
        }
        let combined = self.0.base.with_key_set(Arc::clone(set));
        self.0.combined.store(Arc::new(combined.clone()));
        Some(combined)
    }

    fn newer_than(&self, tried: &Verifier) -> Option<Verifier> {
        self.combined().filter(|combined| !Arc::ptr_eq(combined.key_set(), tried.key_set()))
    }

    /// The result when there is no newer set. After a failed fetch, nobody knows whether an unknown key is a new one.
    fn verdict(&self) -> Refreshed {
        if self.0.jwks.is_fresh() { Refreshed::Unchanged } else { Refreshed::Unavailable }
    }
}

impl<F: Fetch, C: Clock> KeySource for RemoteKeys<F, C> {
    type Refreshing = Refreshing;

    fn verifier(&self) -> Verifier {
        self.combined().unwrap_or_else(|| self.0.base.clone())
    }

    /// Must be called in a Tokio runtime.
    fn refresh(&self, tried: &Verifier) -> Refreshing {
        if let Some(newer) = self.newer_than(tried) {
            return Refreshing::now(Refreshed::Newer(newer));
        }
        match self.0.jwks.demand() {
            Demand::TooSoon => Refreshing::now(self.verdict()),
            Demand::Crowded => Refreshing::now(Refreshed::Unavailable),
            Demand::UnderWay(mut landed) => {
                let (keys, tried) = (self.clone(), tried.clone());
                Refreshing(Progress::Later(Box::pin(async move {
                    // `keys` keeps the sender alive.
                    let _ = landed.changed().await;
                    keys.newer_than(&tried).map_or_else(|| keys.verdict(), Refreshed::Newer)
                })))
            }
        }
    }
}

impl<F, C> Clone for RemoteKeys<F, C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Fetch, C: Clock> fmt::Debug for RemoteKeys<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("base", &self.0.base).field("jwks", &self.0.jwks).finish_non_exhaustive()
    }
}

/// The future of [`RemoteKeys::refresh`](KeySource::refresh).
#[must_use = "futures do nothing unless awaited"]
pub struct Refreshing(Progress);

/// Most results are ready at once: only waiting for a fetch costs a box.
enum Progress {
    Now(Ready<Refreshed>),
    Later(Pin<Box<dyn Future<Output = Refreshed> + Send>>),
}

impl Refreshing {
    fn now(refreshed: Refreshed) -> Self {
        Self(Progress::Now(ready(refreshed)))
    }
}

impl Future for Refreshing {
    type Output = Refreshed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Refreshed> {
        match &mut self.0 {
            Progress::Now(ready) => Pin::new(ready).poll(context),
            Progress::Later(later) => later.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Refreshing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refreshing")
    }
}
