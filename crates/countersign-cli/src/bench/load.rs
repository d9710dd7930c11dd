//! Sends the requests of a run, several at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::clock::Clock;

use super::counts::Counts;
use super::pace::Pace;
use crate::post::Receipt;

/// A run: how fast, and how many requests at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) pace: Pace,
    pub(crate) concurrency: usize,
}

/// How far a run is.
pub(crate) struct Progress {
    clock: Box<dyn Clock>,
    started: Instant,
    /// The number of the next request.
    next: AtomicU64,
    done: AtomicU64,
    is_stopped: AtomicBool,
}

/// What a run has counted, and how long it took.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) counts: Counts,
    pub(crate) elapsed: Duration,
}

impl Progress {
    /// A run that starts now.
    pub(crate) fn start(clock: impl Clock) -> Arc<Self> {
        Arc::new(Self {
            started: clock.instant(),
            clock: Box::new(clock),
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
        })
    }

    /// Lets no further request start.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// How many requests have ended.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.started)
    }

    /// The time at which the next request is due; `None` if the run is over.
    fn next(&self, pace: Pace) -> Option<Duration> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return None;
        }
        pace.due(self.next.fetch_add(1, Ordering::Relaxed), self.elapsed())
    }
}

impl Load {
    /// Sends until the run is over.
    pub(crate) async fn run<F, R>(self, progress: &Arc<Progress>, send: F) -> Run
    where
        F: Fn() -> R + Clone + Send + 'static,
        R: Future<Output = Result<Receipt, String>> + Send + 'static,
    {
        let workers: Vec<_> =
            (0..self.concurrency).map(|_| tokio::spawn(work(self.pace, Arc::clone(progress), send.clone()))).collect();
        let mut counts = Counts::default();
        for worker in workers {
            if let Ok(more) = worker.await {
                counts.add(&more);
            }
        }
        Run { counts, elapsed: progress.elapsed() }
    }
}

async fn work<F, R>(pace: Pace, progress: Arc<Progress>, send: F) -> Counts
where
    F: Fn() -> R,
    R: Future<Output = Result<Receipt, String>>,
{
    let mut counts = Counts::default();
    while let Some(due) = progress.next(pace) {
        let wait = due.saturating_sub(progress.elapsed());
        if !wait.is_zero() {
            sleep(wait, &progress).await;
            if progress.is_stopped.load(Ordering::Relaxed) {
                break;
            }
        }
        let begun = progress.elapsed();
        let result = send().await;
        // A request at a rate counts from when it was due. Otherwise a slow server would delay the next requests, and
        // their waiting would not be measured.
        let late = begun.saturating_sub(due);
        let since = if pace.rate.is_some() { due.min(begun) } else { begun };
        counts.record(progress.elapsed().saturating_sub(since), late, &result);
        progress.done.fetch_add(1, Ordering::Relaxed);
    }
    counts
}

/// Waits, and looks now and then whether the run was stopped.
async fn sleep(mut left: Duration, progress: &Progress) {
    const LONGEST: Duration = Duration::from_millis(200);
    while !left.is_zero() && !progress.is_stopped.load(Ordering::Relaxed) {
        let part = left.min(LONGEST);
        tokio::time::sleep(part).await;
        left -= part;
    }
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use countersign::clock::ManualClock;
    use http::StatusCode;
    use tokio::runtime::Builder;

    use super::*;

    /// One request at a time, each of which takes a second.
    fn run(rate: Option<f64>) -> Run {
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(0)));
        let load = Load { pace: Pace { rate, duration: None, requests: Some(3) }, concurrency: 1 };
        let progress = Progress::start(Arc::clone(&clock));
        let send = move || {
            clock.advance(Duration::from_secs(1));
            async { Ok(Receipt { status: StatusCode::OK, outcome: None, problem: None }) }
        };
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(load.run(&progress, send))
    }

    #[test]
    fn at_a_rate_the_waiting_for_a_slow_server_is_part_of_the_latency() {
        let (closed, open) = (run(None), run(Some(10.0)));
        assert_eq!((closed.elapsed, open.elapsed), (Duration::from_secs(3), Duration::from_secs(3)));
        assert_eq!(closed.counts.longest(), Duration::from_secs(1));
        // The third was due after 0.2 s, and answered after 3 s.
        assert_eq!(open.counts.longest(), Duration::from_millis(2800));
    }
}
