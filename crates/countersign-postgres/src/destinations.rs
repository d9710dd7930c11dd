//! Destinations as a whole: pauses, backlogs, and due times.

use std::time::Duration;

use countersign::UnixTime;
use countersign_inbox::Backlog;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::values::text;

const PAUSE: &str = "INSERT INTO countersign_paused (destination) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1";
const RESUME: &str = "DELETE FROM countersign_paused WHERE destination = $1 RETURNING 1";
const PAUSED: &str = "SELECT destination FROM countersign_paused ORDER BY destination";

/// `state < 2` and `state >= 2` are the conditions of the indexes, so that no delivery that is done is read.
const BACKLOG: &str = "\
SELECT destination, sum(waiting)::bigint, sum(leased)::bigint, sum(dead)::bigint,
  (extract(epoch FROM min(oldest)) * 1000)::bigint
FROM (
  SELECT destination, count(*) FILTER (WHERE state = 0) AS waiting, count(*) FILTER (WHERE state = 1) AS leased,
    0 AS dead, min(since) AS oldest
  FROM countersign_delivery WHERE state < 2 GROUP BY destination
  UNION ALL
  SELECT destination, 0, 0, count(*), NULL FROM countersign_delivery WHERE state >= 2 AND state = 3 GROUP BY destination
) AS both_kinds
GROUP BY destination ORDER BY destination";

const NEXT_DUE: &str = "\
SELECT ceil(extract(epoch FROM min(due) - now()) * 1000)::bigint
FROM countersign_delivery WHERE destination = $1 AND state < 2";

pub(crate) async fn pause(client: &Client, destination: &str, is_paused: bool) -> Result<bool, Error> {
    let statement = if is_paused { PAUSE } else { RESUME };
    client.query_typed(statement, &[(&text(destination), Type::TEXT)]).await.map(|rows| !rows.is_empty())
}

pub(crate) async fn paused(client: &Client) -> Result<Vec<String>, Error> {
    client.query_typed(PAUSED, &[]).await?.iter().map(|row| row.try_get(0)).collect()
}

pub(crate) async fn backlog(client: &Client) -> Result<Vec<Backlog>, Error> {
    let mut backlogs = Vec::new();
    for row in client.query_typed(BACKLOG, &[]).await? {
        let count = |column| row.try_get::<_, i64>(column).map(|count| count.max(0).cast_unsigned());
        let oldest: Option<i64> = row.try_get(4)?;
        backlogs.push(Backlog {
            destination: row.try_get(0)?,
            waiting: count(1)?,
            leased: count(2)?,
            dead: count(3)?,
            oldest: oldest.map(|oldest| UnixTime::from_millis(oldest.max(0).cast_unsigned())),
        });
    }
    Ok(backlogs)
}

/// The time until the next delivery is due, or its lease ends.
pub(crate) async fn next_due(client: &Client, destination: &str) -> Result<Option<Duration>, Error> {
    let rows = client.query_typed(NEXT_DUE, &[(&text(destination), Type::TEXT)]).await?;
    let due = rows.first().map(|row| row.try_get::<_, Option<i64>>(0)).transpose()?.flatten();
    Ok(due.map(|due| Duration::from_millis(due.max(0).cast_unsigned())))
}
