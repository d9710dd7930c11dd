//! New messages: the id, the message and its deliveries in one statement.

use std::borrow::Cow;
use std::collections::HashMap;

use countersign_inbox::{Enqueued, NewMessage, headers_to_bytes};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::lane::Operation;
use crate::values::{millis, name, text};

/// `known` and the count of messages are as they were before the statement. A key that is admitted and not marked is
/// that of a claim or a message that another transaction has stored meanwhile.
const ENQUEUE: &str = "\
WITH asked AS (
  SELECT key, number, retain FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS a(key, number, retain)
), known AS (
  SELECT key, done, number FROM countersign_claim WHERE key = ANY($1::text[]) AND until > now()
), admitted AS (
  SELECT key FROM asked WHERE NOT EXISTS (SELECT FROM known WHERE known.key = asked.key) ORDER BY key
  LIMIT greatest(0, $12::bigint - (SELECT COALESCE(sum(messages), 0)::bigint FROM countersign_count))
), marked AS (
  INSERT INTO countersign_claim AS c (key, done, number, until)
  SELECT key, true, number, now() + retain * interval '1 millisecond' FROM asked JOIN admitted USING (key) ORDER BY key
  ON CONFLICT (key) DO UPDATE SET done = true, number = excluded.number, until = excluded.until WHERE c.until <= now()
  RETURNING key
), stored AS (
  INSERT INTO countersign_message (source, id, type, path, received, headers, body, remain)
  SELECT source, id, type, path, received, headers, body, remain
  FROM unnest($1::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bytea[], $10::bytea[], $11::bigint[])
    AS m(key, source, id, type, path, received, headers, body, remain)
  JOIN marked USING (key)
  RETURNING seq, source, id
), delivered AS (
  INSERT INTO countersign_delivery (message, destination, state, attempts, since, due, number)
  SELECT stored.seq, d.destination, 0, 0, now(), now(), 0
  FROM unnest($13::text[], $14::text[]) AS d(key, destination)
  JOIN stored ON stored.source || ' ' || stored.id = d.key ORDER BY stored.seq
), counted AS (
  UPDATE countersign_count SET messages = messages + (SELECT count(*) FROM stored)
  WHERE shard = pg_backend_pid() % 16 AND EXISTS (SELECT FROM stored)
)
SELECT asked.key, marked.key IS NOT NULL, admitted.key IS NOT NULL, known.done, known.number = asked.number
FROM asked LEFT JOIN marked USING (key) LEFT JOIN admitted USING (key) LEFT JOIN known USING (key)";

const AGAIN: &str = "SELECT key FROM countersign_claim WHERE key = ANY($1::text[]) AND done AND until > now()";

pub(crate) struct EnqueueOperation {
    key: String,
    /// A repetition of the same operation has the same number.
    number: i64,
    new: NewMessage,
    headers: Vec<u8>,
    max_messages: i64,
}

impl EnqueueOperation {
    pub(crate) fn new(new: NewMessage, number: i64, max_messages: i64) -> Self {
        let headers = headers_to_bytes(&new.message.headers);
        Self { key: name(&new.message.key), number, new, headers, max_messages }
    }
}

/// The result of an enqueue. `None` if the inbox is full.
pub(crate) type Outcome = Option<Enqueued>;

impl Operation for EnqueueOperation {
    type Outcome = Outcome;

    fn key(&self) -> &str {
        &self.key
    }

    fn size(&self) -> usize {
        self.headers.len() + self.new.message.body.len()
    }

    fn after(earlier: &Outcome) -> Option<Outcome> {
        Some(earlier.map(|earlier| match earlier {
            Enqueued::Stored | Enqueued::Duplicate => Enqueued::Duplicate,
            Enqueued::InFlight => Enqueued::InFlight,
        }))
    }

    async fn carry_out(client: &mut Client, operations: &[&Self]) -> Result<Vec<Outcome>, Error> {
        let mut found = HashMap::with_capacity(operations.len());
        let mut again: Vec<String> = Vec::new();
        for row in enqueue(client, operations).await? {
            let key: String = row.try_get(0)?;
            match outcome(&row)? {
                Some(outcome) => drop(found.insert(key, outcome)),
                None => again.push(key),
            }
        }
        if !again.is_empty() {
            for row in client.query_typed(AGAIN, &[(&again, Type::TEXT_ARRAY)]).await? {
                found.insert(row.try_get(0)?, Some(Enqueued::Duplicate));
            }
        }
        let in_flight = Some(Enqueued::InFlight);
        Ok(operations.iter().map(|one| found.get(&one.key).copied().unwrap_or(in_flight)).collect())
    }
}

async fn enqueue(client: &Client, operations: &[&EnqueueOperation]) -> Result<Vec<Row>, Error> {
    fn each<'a, T>(operations: &[&'a EnqueueOperation], value: impl Fn(&'a EnqueueOperation) -> T) -> Vec<T> {
        operations.iter().map(|operation| value(operation)).collect()
    }
    let keys = each(operations, |one| &*one.key);
    let numbers = each(operations, |one| one.number);
    let retains = each(operations, |one| millis(one.new.retain));
    let sources = each(operations, |one| one.new.message.key.source());
    let ids = each(operations, |one| one.new.message.key.message_id().as_str());
    let types = each(operations, |one| one.new.message.event_type.as_deref().map(text));
    let paths = each(operations, |one| text(&one.new.message.path));
    let received = each(operations, |one| i64::try_from(one.new.message.received.as_millis()).unwrap_or(i64::MAX));
    let headers = each(operations, |one| &one.headers[..]);
    let bodies = each(operations, |one| &one.new.message.body[..]);
    let counts = each(operations, |one| i64::try_from(one.new.destinations().len()).unwrap_or(i64::MAX));
    let max_messages = operations.first().map_or(0, |one| one.max_messages);
    let (mut to_keys, mut destinations): (Vec<&str>, Vec<Cow<'_, str>>) = (Vec::new(), Vec::new());
    for one in operations {
        for destination in one.new.destinations() {
            to_keys.push(&one.key);
            destinations.push(text(destination));
        }
    }
    let arguments: [(&(dyn ToSql + Sync), Type); 14] = [
        (&keys, Type::TEXT_ARRAY),
        (&numbers, Type::INT8_ARRAY),
        (&retains, Type::INT8_ARRAY),
        (&sources, Type::TEXT_ARRAY),
        (&ids, Type::TEXT_ARRAY),
        (&types, Type::TEXT_ARRAY),
        (&paths, Type::TEXT_ARRAY),
        (&received, Type::INT8_ARRAY),
        (&headers, Type::BYTEA_ARRAY),
        (&bodies, Type::BYTEA_ARRAY),
        (&counts, Type::INT8_ARRAY),
        (&max_messages, Type::INT8),
        (&to_keys, Type::TEXT_ARRAY),
        (&destinations, Type::TEXT_ARRAY),
    ];
    client.query_typed(ENQUEUE, &arguments).await
}

/// `None` if another transaction has the key.
fn outcome(row: &Row) -> Result<Option<Outcome>, Error> {
    let (is_marked, is_admitted): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
    let (done, is_repeated): (Option<bool>, Option<bool>) = (row.try_get(3)?, row.try_get(4)?);
    Ok(match (is_marked, done) {
        (true, _) => Some(Some(Enqueued::Stored)),
        (false, Some(true)) if is_repeated == Some(true) => Some(Some(Enqueued::Stored)),
        (false, Some(true)) => Some(Some(Enqueued::Duplicate)),
        (false, Some(false)) => Some(Some(Enqueued::InFlight)),
        (false, None) if is_admitted => None,
        (false, None) => Some(None),
    })
}
