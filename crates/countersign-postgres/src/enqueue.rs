//! New messages: the id, the message and its deliveries in one transaction.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use countersign_inbox::{DeliveryId, Enqueued, Leased, NewDelivery, NewMessage, Receipt, StoredMessage};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::deliveries::time;
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

/// Returns the deliveries that are leased. The first lease of a delivery has the number 1.
const STORE: &str = "\
WITH stored AS (
  INSERT INTO countersign_message (source, id, type, path, received, headers, body, remain)
  SELECT source, id, type, path, received, headers, body, remain
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[])
    AS m(source, id, type, path, received, headers, body, remain)
  RETURNING seq, source, id
), delivered AS (
  INSERT INTO countersign_delivery (message, destination, state, attempts, since, due, number)
  SELECT stored.seq, d.destination, leased, leased, now(), now() + COALESCE(d.lease, 0) * interval '1 millisecond', leased
  FROM unnest($9::text[], $10::text[], $11::bigint[]) AS d(key, destination, lease)
  JOIN stored ON stored.source || ' ' || stored.id = d.key, LATERAL (SELECT (d.lease IS NOT NULL)::int AS leased) AS l
  ORDER BY stored.seq
  RETURNING seq, message, destination, since, state
), counted AS (
  UPDATE countersign_count SET messages = messages + (SELECT count(*) FROM stored) WHERE shard = pg_backend_pid() % 16
)
SELECT stored.source || ' ' || stored.id, d.destination, d.seq, (extract(epoch FROM d.since) * 1000)::bigint
FROM delivered AS d JOIN stored ON stored.seq = d.message WHERE d.state = 1";

/// The leased deliveries of messages that are stored, whose result was lost. `state < 2` is the condition of the index.
const FIND: &str = "\
SELECT m.source || ' ' || m.id, d.destination, d.seq, (extract(epoch FROM d.since) * 1000)::bigint
FROM countersign_delivery AS d JOIN countersign_message AS m ON m.seq = d.message
WHERE d.destination = ANY($2::text[]) AND d.state < 2 AND d.state = 1 AND d.number = 1
  AND m.source || ' ' || m.id = ANY($1::text[])";

pub(crate) struct EnqueueOperation {
    key: String,
    /// A repetition of the same operation has the same number.
    number: i64,
    new: Arc<NewMessage>,
    max_messages: i64,
}

impl EnqueueOperation {
    pub(crate) fn new(new: Arc<NewMessage>, number: i64, max_messages: i64) -> Self {
        Self { key: name(&new.message.key), number, new, max_messages }
    }
}

/// The result of an enqueue. `None` if the inbox is full.
pub(crate) type Outcome = Option<(Enqueued, Vec<First>)>;

/// A delivery that was leased when it was stored.
#[derive(Clone, Debug)]
pub(crate) struct First {
    destination: String,
    seq: i64,
    since: i64,
}

impl First {
    /// The delivery of this message, with the message.
    pub(crate) fn into_leased(self, message: &StoredMessage) -> Leased {
        Leased {
            receipt: Receipt::new(DeliveryId::new(self.seq.cast_unsigned()), 1),
            attempt: 1,
            since: time(self.since),
            message: message.clone(),
        }
    }
}

impl Operation for EnqueueOperation {
    type Outcome = Outcome;

    fn key(&self) -> &str {
        &self.key
    }

    fn size(&self) -> usize {
        self.new.message.headers.as_bytes().len() + self.new.message.body.len()
    }

    fn after(earlier: &Outcome) -> Option<Outcome> {
        Some(earlier.as_ref().map(|(earlier, _)| match earlier {
            Enqueued::Stored | Enqueued::Duplicate => (Enqueued::Duplicate, Vec::new()),
            Enqueued::InFlight => (Enqueued::InFlight, Vec::new()),
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
    let is_repeated =
        |one: &EnqueueOperation| known.get(&one.key).is_some_and(|known| known.is_done && known.number == one.number);
    let mut leased = find(client, others.iter().copied().filter(|one| is_repeated(one)).collect()).await?;
    if new.is_empty() {
        client.batch_execute("COMMIT").await?;
    } else {
        let (stored, committed) = tokio::join!(biased; store(client, &new), client.batch_execute("COMMIT"));
        leased.extend(stored?);
        committed?;
    }
    let outcome = |one: &&EnqueueOperation| match known.get(&one.key) {
        _ if marked.contains(&one.key) || is_repeated(one) => {
            Some((Enqueued::Stored, in_order(&one.new, leased.remove(&one.key).unwrap_or_default())))
        }
        Some(known) if known.is_done => Some((Enqueued::Duplicate, Vec::new())),
        None if is_full => None,
        // Also a claim that has ended since the first statement: the sender tries again.
        _ => Some((Enqueued::InFlight, Vec::new())),
    };
    Ok(operations.iter().map(outcome).collect())
}

/// Leased deliveries, by the keys of their messages.
type Leases = HashMap<String, Vec<First>>;

/// In the order of the message's deliveries.
fn in_order(new: &NewMessage, mut leased: Vec<First>) -> Vec<First> {
    leased.sort_by_key(|first| {
        new.deliveries().iter().position(|delivery| text(&delivery.destination) == first.destination)
    });
    leased
}

fn by_key(rows: &[Row]) -> Result<Leases, Error> {
    let mut leases = Leases::new();
    for row in rows {
        let first = First { destination: row.try_get(1)?, seq: row.try_get(2)?, since: row.try_get(3)? };
        leases.entry(row.try_get(0)?).or_default().push(first);
    }
    Ok(leases)
}

/// The leases of messages that an earlier try of the same operation has stored.
async fn find(client: &Client, repeated: Vec<&EnqueueOperation>) -> Result<Leases, Error> {
    let leased = |delivery: &&NewDelivery| delivery.lease.is_some();
    let deliveries = repeated.iter().flat_map(|one| one.new.deliveries()).filter(leased);
    let destinations: Vec<_> = deliveries.map(|delivery| text(&delivery.destination)).collect();
    if destinations.is_empty() {
        return Ok(Leases::new());
    }
    let keys = each(&repeated, |one| &*one.key);
    let arguments: [(&(dyn ToSql + Sync), Type); 2] = [(&keys, Type::TEXT_ARRAY), (&destinations, Type::TEXT_ARRAY)];
    by_key(&client.query_typed(FIND, &arguments).await?)
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

async fn store(client: &Client, operations: &[&EnqueueOperation]) -> Result<Leases, Error> {
    let sources = each(operations, |one| one.new.message.key.source());
    let ids = each(operations, |one| one.new.message.key.message_id().as_str());
    let types = each(operations, |one| one.new.message.event_type.as_deref().map(text));
    let paths = each(operations, |one| text(&one.new.message.path));
    let received = each(operations, |one| i64::try_from(one.new.message.received.as_millis()).unwrap_or(i64::MAX));
    let headers = each(operations, |one| one.new.message.headers.as_bytes());
    let bodies = each(operations, |one| &one.new.message.body[..]);
    let counts = each(operations, |one| i64::try_from(one.new.deliveries().len()).unwrap_or(i64::MAX));
    let (mut to_keys, mut destinations, mut leases) = (Vec::<&str>::new(), Vec::<Cow<'_, str>>::new(), Vec::new());
    for one in operations {
        for delivery in one.new.deliveries() {
            to_keys.push(&one.key);
            destinations.push(text(&delivery.destination));
            leases.push(delivery.lease.map(millis));
        }
    }
    let arguments: [(&(dyn ToSql + Sync), Type); 11] = [
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
        (&leases, Type::INT8_ARRAY),
    ];
    by_key(&client.query_typed(STORE, &arguments).await?)
}
