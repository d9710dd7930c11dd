//! Writes to a database: an inbox in SQLite, in which every event stands once, by its message id.
//!
//! The layer's store forgets on a restart which deliveries were handled. The inbox does not, so that a delivery
//! that comes again after one is still handled once.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign::{Clock, Event, SystemClock, UnixTime, Verified};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use tokio::sync::Notify;

use crate::routing::Route;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL; -- what was acknowledged survives a power failure
    CREATE TABLE IF NOT EXISTS events (
        source TEXT NOT NULL,
        message_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        subject TEXT,
        results TEXT,
        problem TEXT,
        route TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting', -- then 'done', or 'given_up'
        failures INTEGER NOT NULL DEFAULT 0,
        due INTEGER NOT NULL, -- milliseconds since the Unix epoch
        PRIMARY KEY (source, message_id)
    );
    CREATE INDEX IF NOT EXISTS waiting ON events (due) WHERE state = 'waiting';
    CREATE TABLE IF NOT EXISTS imports (
        source TEXT NOT NULL,
        message_id TEXT NOT NULL,
        subject TEXT,
        results TEXT,
        PRIMARY KEY (source, message_id)
    );
";
/// How long a write waits for another process that has the database.
const BUSY: Duration = Duration::from_secs(2);
/// After so many failures an event is given up: within an hour or so.
const MAX_FAILURES: u32 = 20;
/// The longest pause after a failure.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// The inbox. A clone is cheap and shares it.
#[derive(Clone)]
pub(crate) struct Inbox {
    database: Arc<Mutex<Connection>>,
    max_waiting: u32,
    news: Arc<Notify>,
}

/// What is kept of an event, and all that its work needs: an event is parsed from a verified delivery only,
/// and by the time of the work that is gone.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) source: String,
    pub(crate) message_id: String,
    pub(crate) event_type: String,
    /// The batch, interaction or video.
    pub(crate) subject: Option<String>,
    /// Where the results are.
    pub(crate) results: Option<String>,
    /// What went wrong, if it did.
    pub(crate) problem: Option<String>,
    pub(crate) route: Route,
    pub(crate) failures: u32,
    pub(crate) due: UnixTime,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// It was written down.
    New,
    /// It was there.
    Known,
    /// Too much is waiting.
    NoRoom,
}

impl Task {
    pub(crate) fn new(delivery: &Verified, event: &Event) -> Self {
        let data = &event.data;
        Self {
            source: delivery.source().to_owned(),
            message_id: delivery.message_id().as_str().to_owned(),
            event_type: event.event_type.clone(),
            subject: data.id.clone(),
            results: data.output_file_uri.clone().or_else(|| data.video_uri.clone()),
            problem: data.error_message.clone().or_else(|| data.error_code.clone()),
            route: Route::of(event),
            failures: 0,
            due: SystemClock.now(),
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            source: row.get("source")?,
            message_id: row.get("message_id")?,
            event_type: row.get("event_type")?,
            subject: row.get("subject")?,
            results: row.get("results")?,
            problem: row.get("problem")?,
            route: Route::from_name(&row.get::<_, String>("route")?),
            failures: row.get("failures")?,
            due: UnixTime::from_millis(row.get::<_, i64>("due")?.unsigned_abs()),
        })
    }
}

impl Inbox {
    pub(crate) fn open(file: &Path, max_waiting: u32) -> rusqlite::Result<Self> {
        let database = Connection::open(file)?;
        database.busy_timeout(BUSY)?;
        database.execute_batch(SCHEMA)?;
        Ok(Self { database: Arc::new(Mutex::new(database)), max_waiting, news: Arc::default() })
    }

    /// Writes an event down, unless it is there.
    pub(crate) async fn receive(&self, task: Task) -> rusqlite::Result<Received> {
        let max_waiting = self.max_waiting;
        let received = self.with(move |database| receive(database, max_waiting, &task)).await?;
        if received == Received::New {
            self.news.notify_one();
        }
        Ok(received)
    }

    /// The task that is due first; it may not be yet.
    pub(crate) async fn next(&self) -> rusqlite::Result<Option<Task>> {
        self.with(|database| {
            let mut select = database.prepare("SELECT * FROM events WHERE state = 'waiting' ORDER BY due LIMIT 1")?;
            select.query_row([], Task::read).optional()
        })
        .await
    }

    /// Waits until something was written down.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Notes that a task is done.
    pub(crate) async fn done(&self, task: Task) -> rusqlite::Result<()> {
        self.with(move |database| end(database, &task, "done")).await
    }

    /// Takes the results in, and notes that this is done: both or neither, also in a crash.
    pub(crate) async fn import(&self, task: Task) -> rusqlite::Result<()> {
        self.with(move |database| {
            let transaction = database.transaction()?;
            let insert = "INSERT INTO imports VALUES (:source, :message_id, :subject, :results)";
            transaction.execute(
                insert,
                named_params! {
                    ":source": task.source,
                    ":message_id": task.message_id,
                    ":subject": task.subject,
                    ":results": task.results,
                },
            )?;
            end(&transaction, &task, "done")?;
            transaction.commit()
        })
        .await
    }

    /// Puts a task off that failed, each time for twice as long, or gives it up.
    pub(crate) async fn failed(&self, task: Task) -> rusqlite::Result<()> {
        self.with(move |database| {
            let pause = Duration::from_secs(1 << task.failures.min(10)).min(MAX_PAUSE);
            if task.failures + 1 >= MAX_FAILURES {
                return end(database, &task, "given_up");
            }
            let update = "UPDATE events SET failures = failures + 1, due = :due
                          WHERE source = :source AND message_id = :message_id";
            let due = millis(SystemClock.now().saturating_add(pause));
            database.execute(
                update,
                named_params! { ":due": due, ":source": task.source, ":message_id": task.message_id },
            )?;
            Ok(())
        })
        .await
    }

    /// SQLite blocks, so it has threads of its own.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let database = Arc::clone(&self.database);
        // Begun is carried out, also if the sender hangs up meanwhile. Its retry then finds the event there.
        let working =
            tokio::task::spawn_blocking(move || work(&mut database.lock().unwrap_or_else(PoisonError::into_inner)));
        match working.await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

fn receive(database: &mut Connection, max_waiting: u32, task: &Task) -> rusqlite::Result<Received> {
    let transaction = database.transaction()?;
    let insert = "INSERT INTO events (source, message_id, event_type, subject, results, problem, route, due)
                  VALUES (:source, :message_id, :event_type, :subject, :results, :problem, :route, :due)
                  ON CONFLICT DO NOTHING";
    let inserted = transaction.execute(
        insert,
        named_params! {
            ":source": task.source,
            ":message_id": task.message_id,
            ":event_type": task.event_type,
            ":subject": task.subject,
            ":results": task.results,
            ":problem": task.problem,
            ":route": task.route.name(),
            ":due": millis(task.due),
        },
    )?;
    if inserted == 0 {
        return Ok(Received::Known);
    }
    let count = "SELECT count(*) FROM events WHERE state = 'waiting'";
    if transaction.query_row(count, [], |row| row.get::<_, u32>(0))? > max_waiting {
        // Dropped, the transaction takes the event back.
        return Ok(Received::NoRoom);
    }
    transaction.commit()?;
    Ok(Received::New)
}

fn end(database: &Connection, task: &Task, state: &str) -> rusqlite::Result<()> {
    let update = "UPDATE events SET state = :state WHERE source = :source AND message_id = :message_id";
    database
        .execute(update, named_params! { ":state": state, ":source": task.source, ":message_id": task.message_id })?;
    Ok(())
}

fn millis(time: UnixTime) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
