//! Deliveries and their messages: leases, lists, and deliveries that an operator requeues.

use bytes::Bytes;
use countersign::UnixTime;
use countersign::replay::ReplayKey;
use countersign_inbox::{Delivery, DeliveryId, Filter, Headers, InboxError, Leased, Receipt, State, StoredMessage};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// The longest list.
const MAX_PAGE: usize = 1000;

/// `state < 2` is the condition of the index. Deliveries that another transaction leases are skipped.
const LEASE: &str = "\
WITH due AS (
  SELECT seq, due FROM countersign_delivery
  WHERE destination = $1 AND state < 2 AND due <= now() ORDER BY due, seq LIMIT $2 FOR UPDATE SKIP LOCKED
), leased AS (
  UPDATE countersign_delivery AS d
  SET state = 1, attempts = d.attempts + 1, due = now() + $3 * interval '1 millisecond', number = d.number + 1
  FROM due WHERE d.seq = due.seq
  RETURNING d.seq, d.number, d.attempts, d.since, d.message, due.due AS was_due
)
SELECT source, id, type, path, received, headers, body, leased.seq, number, attempts,
  (extract(epoch FROM since) * 1000)::bigint
FROM leased JOIN countersign_message AS m ON m.seq = leased.message ORDER BY was_due, leased.seq";

const MESSAGE: &str = "\
SELECT source, id, type, path, received, headers, body FROM countersign_message
WHERE seq = (SELECT message FROM countersign_delivery WHERE seq = $1)";

/// The number changes, so that an older receipt is void.
const REQUEUE: &str = "\
UPDATE countersign_delivery SET state = 0, attempts = 0, since = now(), due = now(), number = number + 1
WHERE seq = $1 AND (state <> 1 OR due <= now()) RETURNING 1";

const LIST: &str = "\
SELECT source, id, type, d.seq, destination, state, attempts, (extract(epoch FROM since) * 1000)::bigint,
  (extract(epoch FROM due) * 1000)::bigint, error
FROM countersign_delivery AS d JOIN countersign_message AS m ON m.seq = d.message
WHERE ($1::smallint IS NULL OR state = $1) AND ($2::text IS NULL OR destination = $2)
  AND ($3::text IS NULL OR source = $3) AND ($4::text IS NULL OR id = $4) AND ($5::text IS NULL OR type = $5)
  AND ($6::bigint IS NULL OR received >= $6) AND ($7::bigint IS NULL OR received < $7)
  AND ($8::bigint IS NULL OR d.seq < $8)
ORDER BY d.seq DESC LIMIT $9";

/// A row of these queries, which is read outside of the transaction.
pub(crate) type Rows = Vec<Row>;

pub(crate) async fn lease(client: &Client, destination: &str, max: usize, lease_ms: i64) -> Result<Rows, Error> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    client.query_typed(LEASE, &[(&destination, Type::TEXT), (&max, Type::INT8), (&lease_ms, Type::INT8)]).await
}

pub(crate) async fn message(client: &Client, delivery: DeliveryId) -> Result<Rows, Error> {
    client.query_typed(MESSAGE, &[(&number(delivery), Type::INT8)]).await
}

pub(crate) async fn requeue(client: &Client, delivery: DeliveryId) -> Result<bool, Error> {
    client.query_typed(REQUEUE, &[(&number(delivery), Type::INT8)]).await.map(|rows| !rows.is_empty())
}

pub(crate) async fn list(client: &Client, filter: &Filter) -> Result<Rows, Error> {
    let millis = |time: UnixTime| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let (from, before) = (filter.received_from.map(millis), filter.received_before.map(millis));
    let (state, older_than) = (filter.state.map(code), filter.older_than.map(number));
    let limit = i64::try_from(filter.limit.min(MAX_PAGE)).unwrap_or_default();
    let arguments: [(&(dyn ToSql + Sync), Type); 9] = [
        (&state, Type::INT2),
        (&filter.destination, Type::TEXT),
        (&filter.source, Type::TEXT),
        (&filter.message_id, Type::TEXT),
        (&filter.event_type, Type::TEXT),
        (&from, Type::INT8),
        (&before, Type::INT8),
        (&older_than, Type::INT8),
        (&limit, Type::INT8),
    ];
    client.query_typed(LIST, &arguments).await
}

pub(crate) fn read_leased(row: &Row) -> Result<Leased, InboxError> {
    let (seq, number, attempts): (i64, i64, i64) = (get(row, 7)?, get(row, 8)?, get(row, 9)?);
    Ok(Leased {
        receipt: Receipt::new(DeliveryId::new(seq.cast_unsigned()), number.cast_unsigned()),
        attempt: u32::try_from(attempts).unwrap_or(u32::MAX),
        since: time(get(row, 10)?),
        message: read_message(row)?,
    })
}

pub(crate) fn read_message(row: &Row) -> Result<StoredMessage, InboxError> {
    Ok(StoredMessage {
        key: read_key(row)?,
        event_type: get(row, 2)?,
        path: get(row, 3)?,
        received: time(get(row, 4)?),
        headers: Headers::parse(get::<Vec<u8>>(row, 5)?).map_err(InboxError::unavailable)?,
        body: Bytes::from(get::<Vec<u8>>(row, 6)?),
    })
}

pub(crate) fn read_listed(row: &Row) -> Result<Delivery, InboxError> {
    let (seq, attempts): (i64, i64) = (get(row, 3)?, get(row, 6)?);
    let state = match get::<i16>(row, 5)? {
        0 => State::Waiting,
        1 => State::Leased,
        2 => State::Done,
        3 => State::Dead,
        other => return Err(InboxError::unavailable(format!("a delivery has the unknown state {other}"))),
    };
    Ok(Delivery {
        id: DeliveryId::new(seq.cast_unsigned()),
        key: read_key(row)?,
        event_type: get(row, 2)?,
        destination: get(row, 4)?,
        state,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        since: time(get(row, 7)?),
        due: time(get(row, 8)?),
        last_error: get(row, 9)?,
    })
}

fn read_key(row: &Row) -> Result<ReplayKey, InboxError> {
    ReplayKey::parse(get::<&str>(row, 0)?, get::<&str>(row, 1)?).map_err(InboxError::unavailable)
}

fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, InboxError> {
    row.try_get(column).map_err(InboxError::unavailable)
}

pub(crate) fn time(millis: i64) -> UnixTime {
    UnixTime::from_millis(millis.max(0).cast_unsigned())
}

/// No delivery has a number beyond that of the largest `bigint`.
pub(crate) fn number(delivery: DeliveryId) -> i64 {
    i64::try_from(delivery.number()).unwrap_or(i64::MAX)
}

fn code(state: State) -> i16 {
    match state {
        State::Waiting => 0,
        State::Leased => 1,
        State::Done => 2,
        State::Dead => 3,
    }
}
