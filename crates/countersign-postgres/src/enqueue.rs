//! New messages: the id, the message and its deliveries in one transaction.

use std::borrow::Cow;
use std::collections::HashSet;

use countersign_inbox::{Enqueued, NewMessage, headers_to_bytes};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::lane::Operation;
use crate::values::{millis, name, text};
use crate::{known, schema};

/// Ids that are not remembered, while there is room. Room that a duplicate in the same statement does not need is not
/// given to another message.
const MARK: &str = "\
INSERT INTO countersign_claim AS c (key, done, number, until)
SELECT key, true, number, now() + retain * interval '1 millisecond'
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS a(key, number, retain) ORDER BY key COLLATE \"C\"
LIMIT greatest(0, $4::bigint - (SELECT COALESCE(sum(messages), 0)::bigint FROM countersign_count))
ON CONFLICT (key) DO UPDATE SET done = true, number = excluded.number, until = excluded.until WHERE c.until <= now()
RETURNING key";

/// The count is last, so that a transaction that waits for it holds nothing that the other one needs.
const STORE: &str = "\
WITH stored AS (
  INSERT INTO countersign_message (source, id, type, path, received, headers, body, remain)
  SELECT source, id, type, path, received, headers, body, remain
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[])
    AS m(source, id, type, path, received, headers, body, remain)
  RETURNING seq, source, id
), delivered AS (
  INSERT INTO countersign_delivery (message, destination, state, attempts, since, due, number)
  SELECT stored.seq, d.destination, 0, 0, now(), now(), 0
  FROM unnest($9::text[], $10::text[]) AS d(key, destination)
  JOIN stored ON stored.source || ' ' || stored.id = d.key ORDER BY stored.seq
)
UPDATE countersign_count SET messages = messages + (SELECT count(*) FROM stored) WHERE shard = pg_backend_pid() % 16";

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

    /// First the ids, then what is new, so that the bodies of duplicates are not sent.
    async fn carry_out(client: &mut Client, operations: &[&Self]) -> Result<Vec<Outcome>, Error> {
        let outcome = transact(client, operations).await;
        if outcome.is_err() {
            // Without a connection it fails, too, and then the server has ended the transaction.
            let _ = client.batch_execute("ROLLBACK").await;
        }
        outcome
    }
}

async fn transact(client: &Client, operations: &[&EnqueueOperation]) -> Result<Vec<Outcome>, Error> {
    // Statements that are sent together wait for the network once.
    let (begun, marked) = tokio::join!(biased; client.batch_execute("BEGIN"), mark(client, operations));
    begun?;
    let marked = marked?;
    let (new, others): (Vec<_>, Vec<_>) = operations.iter().copied().partition(|one| marked.contains(&one.key));
    let keys: Vec<&str> = others.iter().map(|one| &*one.key).collect();
    let known = known::find(client, &keys).await?;
    let is_full = keys.iter().any(|key| !known.contains_key(*key)) && is_full(client, operations, new.len()).await?;
    if new.is_empty() {
        client.batch_execute("COMMIT").await?;
    } else {
        let (stored, committed) = tokio::join!(biased; store(client, &new), client.batch_execute("COMMIT"));
        stored?;
        committed?;
    }
    let outcome = |one: &&EnqueueOperation| match known.get(&one.key) {
        _ if marked.contains(&one.key) => Some(Enqueued::Stored),
        Some(known) if known.is_done && known.number == one.number => Some(Enqueued::Stored),
        Some(known) if known.is_done => Some(Enqueued::Duplicate),
        None if is_full => None,
        // Also a claim that has ended since the first statement: the sender tries again.
        _ => Some(Enqueued::InFlight),
    };
    Ok(operations.iter().map(outcome).collect())
}

/// Whether there is no room for one more message than these.
async fn is_full(client: &Client, operations: &[&EnqueueOperation], new: usize) -> Result<bool, Error> {
    let messages = schema::messages(client).await?.saturating_add(u64::try_from(new).unwrap_or(u64::MAX));
    Ok(messages >= max_messages(operations).cast_unsigned())
}

fn max_messages(operations: &[&EnqueueOperation]) -> i64 {
    operations.first().map_or(0, |one| one.max_messages)
}

fn each<'a, T>(operations: &[&'a EnqueueOperation], value: impl Fn(&'a EnqueueOperation) -> T) -> Vec<T> {
    operations.iter().map(|operation| value(operation)).collect()
}

/// The keys that are new, and are remembered from now on.
async fn mark(client: &Client, operations: &[&EnqueueOperation]) -> Result<HashSet<String>, Error> {
    let keys = each(operations, |one| &*one.key);
    let numbers = each(operations, |one| one.number);
    let retains = each(operations, |one| millis(one.new.retain));
    let max_messages = max_messages(operations);
    let arguments: [(&(dyn ToSql + Sync), Type); 4] = [
        (&keys, Type::TEXT_ARRAY),
        (&numbers, Type::INT8_ARRAY),
        (&retains, Type::INT8_ARRAY),
        (&max_messages, Type::INT8),
    ];
    client.query_typed(MARK, &arguments).await?.iter().map(|row| row.try_get(0)).collect()
}

async fn store(client: &Client, operations: &[&EnqueueOperation]) -> Result<(), Error> {
    let sources = each(operations, |one| one.new.message.key.source());
    let ids = each(operations, |one| one.new.message.key.message_id().as_str());
    let types = each(operations, |one| one.new.message.event_type.as_deref().map(text));
    let paths = each(operations, |one| text(&one.new.message.path));
    let received = each(operations, |one| i64::try_from(one.new.message.received.as_millis()).unwrap_or(i64::MAX));
    let headers = each(operations, |one| &one.headers[..]);
    let bodies = each(operations, |one| &one.new.message.body[..]);
    let counts = each(operations, |one| i64::try_from(one.new.destinations().len()).unwrap_or(i64::MAX));
    let (mut to_keys, mut destinations): (Vec<&str>, Vec<Cow<'_, str>>) = (Vec::new(), Vec::new());
    for one in operations {
        for destination in one.new.destinations() {
            to_keys.push(&one.key);
            destinations.push(text(destination));
        }
    }
    let arguments: [(&(dyn ToSql + Sync), Type); 10] = [
        (&sources, Type::TEXT_ARRAY),
        (&ids, Type::TEXT_ARRAY),
        (&types, Type::TEXT_ARRAY),
        (&paths, Type::TEXT_ARRAY),
        (&received, Type::INT8_ARRAY),
        (&headers, Type::BYTEA_ARRAY),
        (&bodies, Type::BYTEA_ARRAY),
        (&counts, Type::INT8_ARRAY),
        (&to_keys, Type::TEXT_ARRAY),
        (&destinations, Type::TEXT_ARRAY),
    ];
    client.execute_typed(STORE, &arguments).await.map(drop)
}
