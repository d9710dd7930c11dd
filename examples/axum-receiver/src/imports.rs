//! Writes imported results to a database, with one row for each message id.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, named_params};

use crate::task::Task;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS imports (
        source TEXT NOT NULL,
        message_id TEXT NOT NULL,
        subject TEXT,
        results TEXT,
        PRIMARY KEY (source, message_id)
    );
";

/// The imported results. A clone is cheap and shares the database.
#[derive(Clone)]
pub(crate) struct Imports(Arc<Mutex<Connection>>);

impl Imports {
    pub(crate) fn open(file: &Path) -> rusqlite::Result<Self> {
        let database = Connection::open(file)?;
        database.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(database))))
    }

    /// Imports the results of an event. The second time, it changes nothing: an event is handled again if the process ends
    /// before its end is recorded.
    pub(crate) async fn import(&self, task: Task) -> rusqlite::Result<()> {
        let database = Arc::clone(&self.0);
        // SQLite blocks.
        let working = tokio::task::spawn_blocking(move || {
            let insert = "INSERT INTO imports VALUES (:source, :message_id, :subject, :results) ON CONFLICT DO NOTHING";
            let values = named_params! {
                ":source": task.source,
                ":message_id": task.message_id,
                ":subject": task.subject,
                ":results": task.results,
            };
            database.lock().unwrap_or_else(PoisonError::into_inner).execute(insert, values).map(drop)
        });
        match working.await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
