//! The removal of ids whose time is over.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::session::{Connector, Session};

/// How often ids are removed. Removing them late does not change a result.
const INTERVAL: Duration = Duration::from_secs(60);
/// The maximum number of ids in a statement.
const BATCH: i64 = 2_000;

/// `first_claimed` is what the index is for, and `until` decides.
const EXPIRE: &str = "\
DELETE FROM countersign_claim WHERE key IN (
  SELECT key FROM countersign_claim
  WHERE first_claimed <= now() - $1 * interval '1 millisecond' AND until <= now()
  LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING 1";

/// Runs until the store is dropped. Several processes may do so at once.
pub(crate) async fn run(connector: Connector, longest_ms: Rc<Cell<i64>>) {
    loop {
        sleep(INTERVAL).await;
        let mut session = Session::new(connector.clone());
        // After an error, the next round removes them.
        while expire(&mut session, longest_ms.get()).await == Some(BATCH) {}
    }
}

async fn expire(session: &mut Session, retain_ms: i64) -> Option<i64> {
    let work =
        async |client: &mut Client| client.query_typed(EXPIRE, &[(&retain_ms, Type::INT8), (&BATCH, Type::INT8)]).await;
    session.attempt(1, &work).await.ok().and_then(|rows| i64::try_from(rows.len()).ok())
}
