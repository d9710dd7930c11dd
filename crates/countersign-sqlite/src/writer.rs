//! The thread that writes: one transaction for all jobs that have arrived.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use rusqlite::Connection;

use crate::batch::{Batch, Counters, Sweep};
use crate::error::{Failure, OpenError, is_full, is_harmless};
use crate::ids::Ids;
use crate::job::Job;
use crate::open;
use crate::options::Options;
use crate::queue::Queue;
use crate::replies::{Results, Route};
use crate::rows;
use crate::size::Size;
use crate::stats::Meter;
use crate::tally::Tally;

pub(crate) type Jobs = Queue<Queued>;

/// A job with the route of its result.
pub(crate) struct Queued {
    pub(crate) job: Box<dyn Job>,
    pub(crate) route: Option<Route>,
}

/// How long the thread leaves the file to another process that also writes.
const YIELD: Duration = Duration::from_millis(1);

pub(crate) struct Writer {
    path: PathBuf,
    options: Options,
    /// `None` after an error, until it is opened again.
    db: Option<Connection>,
    ids: Ids,
    sweep: Sweep,
    /// Whether another process has written before this batch.
    followed: bool,
    size: Size,
    /// Whether the disk was full when something was to be added for the last time.
    is_disk_full: bool,
    meter: Arc<Meter>,
}

impl Writer {
    /// Opens the file and reads its ids.
    pub(crate) fn open(path: PathBuf, options: Options, meter: Arc<Meter>) -> Result<Self, OpenError> {
        let db = open::writer(&path, options)?;
        let mut ids = Ids::default();
        rows::load(&db, &mut ids)?;
        meter.ids.store(ids.len(), Ordering::Relaxed);
        meter.messages.store(Counters::read(&db)?.messages, Ordering::Relaxed);
        let size = Size::measure(&db, SystemClock.instant())?;
        meter.size.store(size.used(), Ordering::Relaxed);
        let (sweep, followed, is_disk_full) = (Sweep::default(), false, false);
        Ok(Self { path, options, db: Some(db), ids, sweep, followed, size, is_disk_full, meter })
    }

    /// Runs until the queue is closed.
    pub(crate) fn run(mut self, queue: &Jobs) {
        while let Some(jobs) = queue.take() {
            self.carry_out(jobs);
        }
    }

    fn carry_out(&mut self, mut jobs: Vec<Queued>) {
        let start = SystemClock.instant();
        let mut full = false;
        let mut result = self.transaction(&mut jobs, true, start);
        if result.as_ref().is_err_and(is_full) {
            // Confirmations and acknowledgements need little room or none.
            full = true;
            result = self.transaction(&mut jobs, false, start);
        }
        // A transaction that adds nothing does not show that there is room.
        self.is_disk_full = full || (self.is_disk_full && !result.as_ref().is_ok_and(|added| *added > 0));
        let busy = SystemClock.instant().saturating_duration_since(start);
        self.count(&result, jobs.len(), full, busy);
        let failure = result.err().map(Failure::from);
        let mut results = Results::default();
        for Queued { job, route } in jobs {
            let failed = if full && job.grows() { Some(Failure::Full) } else { failure.clone() };
            results.add(route, job, failed);
        }
        results.send();
        if std::mem::take(&mut self.followed) {
            // SQLite does not queue: without a pause, this process would get the lock again and again.
            thread::sleep(YIELD);
        }
    }

    /// Returns about how many bytes were added.
    fn transaction(&mut self, jobs: &mut [Queued], growing: bool, now: Instant) -> rusqlite::Result<u64> {
        let db = match self.db.take() {
            Some(db) => db,
            None => open::writer(&self.path, self.options).map_err(into_database_error)?,
        };
        let result = self.transaction_on(&db, jobs, growing, now);
        if result.is_ok() {
            self.ids.keep();
        } else {
            // It fails if SQLite has rolled back by itself.
            let _ = db.execute_batch("ROLLBACK");
            self.ids.undo();
        }
        if result.as_ref().err().is_none_or(is_harmless) {
            self.db = Some(db);
        }
        result
    }

    fn transaction_on(
        &mut self,
        db: &Connection,
        jobs: &mut [Queued],
        growing: bool,
        now: Instant,
    ) -> rusqlite::Result<u64> {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        if std::mem::take(&mut self.sweep.reload) {
            rows::load(db, &mut self.ids)?;
        }
        let followed = rows::follow(db, &mut self.ids)? > 0;
        let counters = Counters::read(db)?;
        self.size.refresh(db, self.options.max_size, now)?;
        self.sweep.searched = false;
        self.sweep.shared |= followed;
        self.followed |= followed;
        let is_large = self.size.used() >= self.options.max_size;
        let (ids, sweep) = (&mut self.ids, &mut self.sweep);
        let tally = Tally::default();
        let mut batch = Batch { db, ids, sweep, options: self.options, counters, tally, is_large, added: 0 };
        for Queued { job, .. } in jobs.iter_mut().filter(|queued| growing || !queued.job.grows()) {
            job.run(&mut batch)?;
        }
        batch.sweep_if_due()?;
        let (found, added) = (batch.counters, batch.added);
        batch.tally.write(db)?;
        if found != counters {
            found.write(db)?;
        }
        db.prepare_cached("COMMIT")?.execute([])?;
        self.meter.ids.store(self.ids.len(), Ordering::Relaxed);
        self.meter.messages.store(found.messages, Ordering::Relaxed);
        self.meter.size.store(self.size.used(), Ordering::Relaxed);
        self.size.add(added);
        Ok(added)
    }

    fn count(&self, result: &rusqlite::Result<u64>, jobs: usize, full: bool, busy: Duration) {
        let order = Ordering::Relaxed;
        let meter = &self.meter;
        let failing = result.is_err();
        if failing || full {
            meter.errors.fetch_add(1, order);
        }
        if !failing {
            meter.batches.fetch_add(1, order);
            meter.operations.fetch_add(u64::try_from(jobs).unwrap_or(u64::MAX), order);
        }
        meter.busy_micros.fetch_add(u64::try_from(busy.as_micros()).unwrap_or(u64::MAX), order);
        meter.failing.store(failing, order);
        meter.full.store(self.is_disk_full || meter.size.load(order) >= self.options.max_size, order);
    }
}

/// Why the file cannot be opened again, as an error of an operation.
fn into_database_error(error: OpenError) -> rusqlite::Error {
    match error {
        OpenError::Database(error) => error,
        other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
    }
}
