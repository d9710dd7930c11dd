//! The removal of deliveries, and of messages with their last one.

use countersign_inbox::DeliveryId;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Transaction};

use crate::deliveries::number;

/// `state >= 2` is the condition of the index.
const EXPIRE: &str = "\
DELETE FROM countersign_delivery WHERE seq = ANY(ARRAY(
  SELECT seq FROM countersign_delivery
  WHERE state >= 2 AND state = $1::smallint AND due <= now() - $2 * interval '1 millisecond'
  LIMIT $3 FOR UPDATE SKIP LOCKED
)) RETURNING message";

const DISCARD: &str =
    "DELETE FROM countersign_delivery WHERE seq = $1 AND (state <> 1 OR due <= now()) RETURNING message";

/// It locks the messages, so that of two transactions that remove the last two deliveries, the second one sees 0.
const SUBTRACT: &str = "\
UPDATE countersign_message AS m SET remain = remain - gone.deliveries
FROM (SELECT seq, count(*) AS deliveries FROM unnest($1::bigint[]) AS g(seq) GROUP BY seq) AS gone WHERE m.seq = gone.seq";

const REMOVE: &str = "\
WITH removed AS (DELETE FROM countersign_message WHERE seq = ANY($1::bigint[]) AND remain <= 0 RETURNING 1)
UPDATE countersign_count SET messages = messages - (SELECT count(*) FROM removed) WHERE shard = pg_backend_pid() % 16";

/// Removes up to `limit` deliveries that ended this long ago, in milliseconds. Returns how many.
pub(crate) async fn expire(client: &mut Client, done_ms: i64, dead_ms: i64, limit: i64) -> Result<i64, Error> {
    let transaction = client.transaction().await?;
    let (mut messages, mut left) = (Vec::new(), limit);
    for (state, kept_ms) in [(2_i16, done_ms), (3_i16, dead_ms)] {
        let arguments: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&state, Type::INT2), (&kept_ms, Type::INT8), (&left, Type::INT8)];
        for row in transaction.query_typed(EXPIRE, &arguments).await? {
            messages.push(row.try_get::<_, i64>(0)?);
            left -= 1;
        }
    }
    remove(transaction, messages).await?;
    Ok(limit - left)
}

pub(crate) async fn discard(client: &mut Client, delivery: DeliveryId) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    let rows = transaction.query_typed(DISCARD, &[(&number(delivery), Type::INT8)]).await?;
    let messages = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    let is_found = !messages.is_empty();
    remove(transaction, messages).await?;
    Ok(is_found)
}

/// Removes the messages of these deliveries, which are removed, if they have no other, and commits.
async fn remove(transaction: Transaction<'_>, mut messages: Vec<i64>) -> Result<(), Error> {
    if !messages.is_empty() {
        messages.sort_unstable();
        transaction.query_typed(SUBTRACT, &[(&messages, Type::INT8_ARRAY)]).await?;
        transaction.query_typed(REMOVE, &[(&messages, Type::INT8_ARRAY)]).await?;
    }
    transaction.commit().await
}
