//! Writes events to an inbox in SQLite, with one row for each message id.
//!
//! A restart empties the layer's replay store, but not the inbox. A message that arrives again after a restart
//! is therefore still handled only once.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::gemini::Event;
use countersign::{UnixTime, Verified};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use tokio::sync::Notify;

use crate::routing::Route;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL; -- acknowledged events survive a power failure
    CREATE TABLE IF NOT EXISTS events (
        source TEXT NOT NULL,
        message_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        subject TEXT,
        results TEXT,
        problem TEXT,
        route TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting', -- later 'done' or 'given_up'
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
/// How long a write waits while another process has locked the database.
const BUSY: Duration = Duration::from_secs(2);
/// The number of failures after which an event is given up, which takes about an hour.
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

/// The stored fields of an event, with everything that the worker needs. Only a verified delivery can be parsed
/// as an event, and the worker runs after the delivery is gone.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) source: String,
    pub(crate) message_id: String,
    pub(crate) event_type: String,
    /// The batch, interaction or video.
    pub(crate) subject: Option<String>,
    /// The location of the results.
    pub(crate) results: Option<String>,
    /// The error, if the job failed.
    pub(crate) problem: Option<String>,
    pub(crate) route: Route,
    pub(crate) failures: u32,
    pub(crate) due: UnixTime,
}

/// The result of saving a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// The event was saved.
    New,
    /// The event was already saved.
    Known,
    /// Too many events are waiting.
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

    /// Saves an event, unless it is already saved.
    pub(crate) async fn receive(&self, task: Task) -> rusqlite::Result<Received> {
        let max_waiting = self.max_waiting;
        let received = self.with(move |database| receive(database, max_waiting, &task)).await?;
        if received == Received::New {
            self.news.notify_one();
        }
        Ok(received)
    }

    /// Returns the task with the earliest due time, which may be in the future.
    pub(crate) async fn next(&self) -> rusqlite::Result<Option<Task>> {
        self.with(|database| {
            let mut select = database.prepare("SELECT * FROM events WHERE state = 'waiting' ORDER BY due LIMIT 1")?;
            select.query_row([], Task::read).optional()
        })
        .await
    }

    /// Waits until a new event is saved.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Marks a task as done.
    pub(crate) async fn done(&self, task: Task) -> rusqlite::Result<()> {
        self.with(move |database| end(database, &task, "done")).await
    }

    /// Imports the results and marks the task as done, in one transaction.
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

    /// Postpones a failed task, each time for twice as long, or gives it up.
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

    /// Runs `work` on a blocking thread, because SQLite blocks.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let database = Arc::clone(&self.database);
        // The work finishes even if the sender disconnects. The retry then finds the event in the database.
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
        // Dropping the transaction rolls the insert back.
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
