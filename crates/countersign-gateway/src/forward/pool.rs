//! The idle connections to upstreams, by address. Each worker thread has its own pool.
//!
//! A request takes a connection from the pool of its thread, and returns it to the pool of the thread on which its
//! response ends. In the gateway these are the same, because each worker has its own runtime. A connection that moves
//! to another thread works there as well.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use foldhash::fast::FixedState;
use tokio::runtime::Handle;

use super::connection::Connection;
use crate::upstream::ConnectionKey;

/// The maximum number of idle connections per thread and address.
const MAX_IDLE: usize = 256;
/// The minimum time between two sweeps.
const MIN_SWEEP: Duration = Duration::from_millis(100);

thread_local! {
    static POOL: Arc<Pool> = Arc::default();
}

/// Takes the most recently used connection to this address that has been idle for less than `max_idle`. The upstream
/// may have closed it.
pub(super) fn take(key: &ConnectionKey, max_idle: Duration) -> Option<Box<Connection>> {
    let now = SystemClock.instant();
    POOL.try_with(|pool| pool.lock().take(key, max_idle, now)).ok()?
}

/// Keeps an idle connection for another request, for at most `max_idle`.
pub(super) fn put(key: &ConnectionKey, connection: Box<Connection>, max_idle: Duration) {
    let since = SystemClock.instant();
    // Fails only if the thread is ending, and then the connection is not needed.
    let _ = POOL.try_with(|pool| {
        let mut idle = pool.lock();
        idle.put(key, Idle { connection, since, until: since + max_idle });
        if !idle.is_swept
            && let Ok(runtime) = Handle::try_current()
        {
            idle.is_swept = true;
            runtime.spawn(sweep(Sweeper { pool: Arc::clone(pool), after: Some(max_idle) }));
        }
    });
}

#[derive(Default)]
struct Pool(Mutex<IdleConnections>);

impl Pool {
    fn lock(&self) -> MutexGuard<'_, IdleConnections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Idle<C = Box<Connection>> {
    connection: C,
    since: Instant,
    until: Instant,
}

struct IdleConnections<C = Box<Connection>, K = ConnectionKey> {
    by_key: HashMap<K, VecDeque<Idle<C>>, FixedState>,
    /// Whether a task closes the connections that have been idle for too long.
    is_swept: bool,
}

impl<C, K> Default for IdleConnections<C, K> {
    fn default() -> Self {
        Self { by_key: HashMap::default(), is_swept: false }
    }
}

impl<C, K: Clone + Eq + Hash> IdleConnections<C, K> {
    fn take(&mut self, key: &K, max_idle: Duration, now: Instant) -> Option<C> {
        let connections = self.by_key.get_mut(key)?;
        let fits = |idle: &Idle<C>| now < idle.until && now.saturating_duration_since(idle.since) < max_idle;
        while let Some(idle) = connections.pop_back() {
            if fits(&idle) {
                return Some(idle.connection);
            }
        }
        None
    }

    fn put(&mut self, key: &K, idle: Idle<C>) {
        let connections = match self.by_key.get_mut(key) {
            Some(connections) => connections,
            None => self.by_key.entry(key.clone()).or_default(),
        };
        if connections.len() >= MAX_IDLE {
            connections.pop_front();
        }
        connections.push_back(idle);
    }

    /// Closes connections that have been idle for too long. Returns the time until the next sweep, or `None` if no
    /// connection is idle.
    fn sweep(&mut self, now: Instant) -> Option<Duration> {
        self.by_key.retain(|_, connections| {
            connections.retain(|idle| now < idle.until);
            !connections.is_empty()
        });
        let next = self.by_key.values().flatten().map(|idle| idle.until).min()?;
        Some(next.saturating_duration_since(now).max(MIN_SWEEP))
    }
}

/// Closes connections that have been idle for too long, until none is left.
async fn sweep(mut sweeper: Sweeper) {
    while let Some(after) = sweeper.after {
        tokio::time::sleep(after).await;
        sweeper.sweep();
    }
}

/// The task that sweeps a pool. If its runtime ends first, another task is started later.
struct Sweeper {
    pool: Arc<Pool>,
    /// The time until the next sweep. `None` once no connection is idle.
    after: Option<Duration>,
}

impl Sweeper {
    fn sweep(&mut self) {
        let mut idle = self.pool.lock();
        self.after = idle.sweep(SystemClock.instant());
        idle.is_swept = self.after.is_some();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if self.after.is_some() {
            self.pool.lock().is_swept = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn put(pool: &mut IdleConnections<usize, u16>, port: u16, connection: usize, since: Instant, max_idle: Duration) {
        pool.put(&port, Idle { connection, since, until: since + max_idle });
    }

    #[test]
    fn the_connection_that_was_used_last_is_used_first() {
        let (mut pool, now) = (IdleConnections::<usize, u16>::default(), SystemClock.instant());
        put(&mut pool, 1, 10, now, SECOND);
        put(&mut pool, 1, 11, now, SECOND);
        put(&mut pool, 2, 20, now, SECOND);
        assert_eq!(pool.take(&1, SECOND, now), Some(11));
        assert_eq!(pool.take(&1, SECOND, now), Some(10));
        assert_eq!(pool.take(&1, SECOND, now), None);
        assert_eq!(pool.take(&3, SECOND, now), None);
        assert_eq!(pool.take(&2, SECOND, now), Some(20));
    }

    #[test]
    fn a_connection_is_idle_for_no_longer_than_both_routes_allow() {
        let start = SystemClock.instant();
        for (kept_for, taken_within, after, expected) in [
            (2 * SECOND, 2 * SECOND, SECOND, Some(1)),
            (2 * SECOND, 2 * SECOND, 2 * SECOND, None),
            (SECOND, 9 * SECOND, SECOND, None),
            (9 * SECOND, SECOND, SECOND, None),
        ] {
            let mut pool = IdleConnections::<usize, u16>::default();
            put(&mut pool, 1, 1, start, kept_for);
            assert_eq!(pool.take(&1, taken_within, start + after), expected, "{kept_for:?} {taken_within:?}");
        }
    }

    #[test]
    fn a_full_pool_closes_the_connection_that_was_idle_for_longest() {
        let (mut pool, now) = (IdleConnections::<usize, u16>::default(), SystemClock.instant());
        for connection in 0..=MAX_IDLE {
            put(&mut pool, 1, connection, now, SECOND);
        }
        let all: Vec<_> = std::iter::from_fn(|| pool.take(&1, SECOND, now)).collect();
        assert_eq!(all, (1..=MAX_IDLE).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_sweep_closes_what_is_too_old_and_says_when_the_next_one_is_due() {
        let (mut pool, now) = (IdleConnections::<usize, u16>::default(), SystemClock.instant());
        put(&mut pool, 1, 1, now, SECOND);
        put(&mut pool, 1, 2, now, 3 * SECOND);
        put(&mut pool, 2, 3, now, 5 * SECOND);
        assert_eq!(pool.sweep(now), Some(SECOND));
        assert_eq!(pool.sweep(now + SECOND), Some(2 * SECOND));
        assert_eq!(pool.take(&1, 9 * SECOND, now + SECOND), Some(2));
        assert_eq!(pool.sweep(now + 5 * SECOND), None);
        assert!(pool.by_key.is_empty());
    }
}
