//! Decides when to fetch, and which set to use, from the time that is passed in.
//!
//! No clock, no network, no runtime. Time is an [`Instant`]: setting the clock back must not stop refreshes, and
//! setting it forward must not make the keys too old.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use countersign_jwks::cache::Action;
//! use countersign_jwks::{Cache, Config, FetchError, State};
//!
//! let now = Instant::now();
//! let mut cache = Cache::new(Config::default(), now);
//! assert_eq!(cache.poll(now), Action::Fetch);
//! assert_eq!(cache.poll(now), Action::Join); // concurrent callers share the fetch
//! cache.finished(now, Err(FetchError::Status(503)));
//! assert_eq!(cache.poll(now), Action::Wait(Duration::from_secs(1)));
//! assert_eq!(cache.state(now), State::Empty);
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::KeySet;
use countersign::key::SkippedKey;

use crate::fetch::{Document, FetchError};

/// The shortest time between two fetches in the background, and the longest pause between two attempts while the
/// publisher is down.
pub const MIN_REFRESH: Duration = Duration::from_secs(60);
/// The longest time between two fetches.
pub const MAX_REFRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// The time between two fetches if the publisher sends no `Cache-Control` (RFC 9111).
pub const DEFAULT_REFRESH: Duration = Duration::from_secs(10 * 60);
/// Deliveries cause at most one fetch in this time, so that forged ones cannot cause many.
pub const DEMAND_INTERVAL: Duration = Duration::from_secs(30);
/// The pause after the first failure. It doubles up to [`MIN_REFRESH`].
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The settings of a key set.
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    pub(crate) max_stale: Duration,
}

impl Config {
    /// The default of [`max_stale`](Self::max_stale).
    pub const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);

    /// How long a set may be used after its last fetch while its publisher is down. This also limits how long a
    /// withdrawn key is trusted if somebody blocks the fetches. At least 2 min; the set is refreshed after half of
    /// this time at the latest. Default: 24 h.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = max_stale.max(2 * MIN_REFRESH);
        self
    }

    pub(crate) fn is_too_old(&self, age: Duration) -> bool {
        age >= self.max_stale
    }

    fn refresh_after(&self, max_age: Option<Duration>) -> Duration {
        max_age.unwrap_or(DEFAULT_REFRESH).clamp(MIN_REFRESH, MAX_REFRESH).min(self.max_stale / 2)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { max_stale: Self::DEFAULT_MAX_STALE }
    }
}

/// What the caller of the cache has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "`Action::Fetch` must be followed by a fetch, and its result passed to `finished`"]
pub enum Action {
    /// Fetch, and pass the result to [`Cache::finished`]. No other caller gets this action until then.
    Fetch,
    /// Wait for the running fetch.
    Join,
    /// Ask again after this time.
    Wait(Duration),
}

/// The state of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No set has been fetched yet, or the publisher has exposed the private half of its only keys.
    Empty,
    /// The set was fetched successfully the last time.
    Fresh,
    /// The publisher is down, and the last good set is used.
    Stale,
    /// The publisher is down, and the last good set is too old to use.
    TooOld,
}

impl State {
    /// The state's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::TooOld => "too_old",
        }
    }
}

/// A change of state, for the log. Each is reported once, however many attempts it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The first set was fetched, or the publisher is up again.
    Up {
        /// How many usable keys the set has.
        keys: usize,
    },
    /// The publisher changed the set.
    Rotated {
        /// How many usable keys the set has.
        keys: usize,
    },
    /// The publisher is down, or its document is not a key set.
    Down(FetchError),
    /// The last good set is too old to use.
    TooOld,
}

/// Statistics of a key set, for metrics and readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The state of the keys.
    pub state: State,
    /// The time since the set was last fetched.
    pub age: Option<Duration>,
    /// How many usable keys the set has.
    pub keys: usize,
    /// How many fetches were started.
    pub fetches: u64,
    /// How many of them failed, by [`FetchError::kind`].
    pub failures: BTreeMap<&'static str, u64>,
}

/// One key set, and when to fetch it again.
#[derive(Debug)]
pub struct Cache {
    config: Config,
    held: Option<Held>,
    /// The last document with skipped keys, which are reported once.
    skipped_in: Bytes,
    skipped: Vec<SkippedKey>,
    fetching: bool,
    /// When a delivery last caused a fetch.
    demanded: Option<Instant>,
    /// When the next background fetch is due.
    due: Instant,
    failures_in_a_row: u32,
    reported_too_old: bool,
    fetches: u64,
    failures: BTreeMap<&'static str, u64>,
}

/// The last good set.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) set: Arc<KeySet>,
    pub(crate) fetched: Instant,
    document: Bytes,
}

impl Held {
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.fetched)
    }
}

impl Cache {
    /// Creates an empty cache. The first fetch is due at once.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            held: None,
            skipped_in: Bytes::new(),
            skipped: Vec::new(),
            fetching: false,
            demanded: None,
            due: now,
            failures_in_a_row: 0,
            reported_too_old: false,
            fetches: 0,
            failures: BTreeMap::new(),
        }
    }

    /// Decides what the background task must do.
    pub fn poll(&mut self, now: Instant) -> Action {
        if self.fetching {
            return Action::Join;
        }
        let wait = self.due.saturating_duration_since(now);
        if wait.is_zero() {
            return self.start();
        }
        let held = self.held.as_ref().filter(|_| !self.reported_too_old);
        let serves = held.map(|held| self.config.max_stale.saturating_sub(held.age(now)));
        Action::Wait(serves.filter(|serves| !serves.is_zero()).map_or(wait, |serves| serves.min(wait)))
    }

    /// Decides what to do for a delivery that a newer key might verify.
    pub fn demand(&mut self, now: Instant) -> Action {
        if self.fetching {
            return Action::Join;
        }
        let since = self.demanded.map(|demanded| now.saturating_duration_since(demanded));
        match since.and_then(|since| DEMAND_INTERVAL.checked_sub(since)) {
            Some(left) if !left.is_zero() => Action::Wait(left),
            _ => {
                self.demanded = Some(now);
                self.start()
            }
        }
    }

    fn start(&mut self) -> Action {
        self.fetching = true;
        self.fetches += 1;
        Action::Fetch
    }

    /// Records the result of a fetch. A document without usable keys is a failure, and the last good set stays in use.
    pub fn finished(&mut self, now: Instant, outcome: Result<Document, FetchError>) -> Option<Change> {
        self.fetching = false;
        match outcome.and_then(|document| self.take(now, document)) {
            Ok(change) => change,
            Err(why) => self.failed(now, why),
        }
    }

    fn take(&mut self, now: Instant, Document { body, max_age }: Document) -> Result<Option<Change>, FetchError> {
        let same = self.held.as_ref().filter(|held| held.document == body).map(|held| Arc::clone(&held.set));
        let rotated = same.is_none();
        // If the document has not changed, keep the set and the verifiers that were built from it.
        let set = match same {
            Some(set) => set,
            None => Arc::new(KeySet::parse(&body)?),
        };
        if !set.skipped().is_empty() && self.skipped_in != body {
            self.skipped_in = body.clone();
            self.skipped = set.skipped().to_vec();
        }
        if set.is_empty() {
            if set.skipped().iter().any(SkippedKey::is_private) {
                // The set in use may have the same key.
                self.held = None;
            }
            return Err(FetchError::NoUsableKey);
        }
        let keys = set.len();
        let up = self.held.is_none() || self.failures_in_a_row > 0 || self.reported_too_old;
        self.held = Some(Held { set, fetched: now, document: body });
        self.due = now + self.config.refresh_after(max_age);
        (self.failures_in_a_row, self.reported_too_old) = (0, false);
        Ok(if up { Some(Change::Up { keys }) } else { rotated.then_some(Change::Rotated { keys }) })
    }

    fn failed(&mut self, now: Instant, why: FetchError) -> Option<Change> {
        *self.failures.entry(why.kind()).or_default() += 1;
        // The limit is reached long before this exponent.
        let doubled = FIRST_RETRY * (1 << self.failures_in_a_row.min(16));
        self.due = now + doubled.min(MIN_REFRESH);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        (self.failures_in_a_row == 1).then_some(Change::Down(why))
    }

    /// The keys of the last document that are not used. They are returned once for each document.
    pub fn take_skipped(&mut self) -> Vec<SkippedKey> {
        std::mem::take(&mut self.skipped)
    }

    /// Reports once that the last good set has become too old.
    pub fn expired(&mut self, now: Instant) -> Option<Change> {
        let expired = self.state(now) == State::TooOld && !self.reported_too_old;
        self.reported_too_old |= expired;
        expired.then_some(Change::TooOld)
    }

    /// The last good set, unless it is too old.
    pub fn current(&self, now: Instant) -> Option<&Arc<KeySet>> {
        self.held.as_ref().filter(|held| !self.config.is_too_old(held.age(now))).map(|held| &held.set)
    }

    /// The state of the keys.
    pub fn state(&self, now: Instant) -> State {
        match &self.held {
            None => State::Empty,
            Some(held) if self.config.is_too_old(held.age(now)) => State::TooOld,
            Some(_) if self.failures_in_a_row > 0 => State::Stale,
            Some(_) => State::Fresh,
        }
    }

    /// Statistics for metrics and readiness.
    pub fn stats(&self, now: Instant) -> Stats {
        Stats {
            state: self.state(now),
            age: self.held.as_ref().map(|held| held.age(now)),
            keys: self.held.as_ref().map_or(0, |held| held.set.len()),
            fetches: self.fetches,
            failures: self.failures.clone(),
        }
    }

    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }
}
