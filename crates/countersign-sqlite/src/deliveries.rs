//! Messages and their deliveries.

use bytes::Bytes;
use countersign::UnixTime;
use countersign::replay::{ReplayKey, Settled};
use countersign_inbox::{
    DeliveryId, Enqueued, Headers, Leased, NewDelivery, NewMessage, Receipt, State, StoredMessage,
};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::batch::Batch;
use crate::claims::Known;
use crate::error::{Failure, Stop};
use crate::state::{number, state};
use crate::time::millis;

/// The longest error that is stored, in bytes.
const MAX_ERROR: usize = 1024;
/// The size of a message in the file besides its headers and its body, in bytes: at most, since pages are not full.
const MESSAGE_SIZE: u64 = 8192;

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Done,
    Retry {
        delay: u64,
        error: String,
    },
    Dead {
        error: String,
    },
    /// The attempt did not start.
    Unused,
}

impl Batch<'_> {
    /// Stores a message. Returns a receipt for each delivery that is leased.
    pub(crate) fn enqueue(&mut self, new: &NewMessage, now: u64) -> Result<(Enqueued, Vec<Receipt>), Stop> {
        let message = &new.message;
        let duplicate = |known| match known {
            Known::Done => (Enqueued::Duplicate, Vec::new()),
            Known::InFlight => (Enqueued::InFlight, Vec::new()),
        };
        if self.counters.messages >= self.options.max_messages || self.is_large {
            let known = self.known(&message.key, now)?;
            return known.map(duplicate).ok_or(Stop::Rejected(Failure::Full));
        }
        if let Some(known) = self.mark_done(&message.key, millis(new.retain), now)? {
            return Ok(duplicate(known));
        }
        let mut insert = self.db.prepare_cached(
            "INSERT INTO message(source, id, type, path, received, headers, remain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let headers = message.headers.as_bytes();
        self.added += u64::try_from(message.body.len() + headers.len()).unwrap_or(u64::MAX) + MESSAGE_SIZE;
        let seq = insert.insert(params![
            message.key.source(),
            message.key.message_id().as_str(),
            message.event_type,
            message.path,
            message.received.as_millis(),
            headers,
            new.deliveries().len(),
        ])?;
        let mut insert = self.db.prepare_cached("INSERT INTO body(seq, body) VALUES (?1, ?2)")?;
        insert.execute(params![seq, &message.body[..]])?;
        self.counters.messages += 1;
        let mut leased = Vec::new();
        for delivery in new.deliveries() {
            leased.extend(self.add_delivery(seq, delivery, now)?);
        }
        Ok((Enqueued::Stored, leased))
    }

    /// Adds a delivery of this message. Returns a receipt if it is leased.
    fn add_delivery(&mut self, message: i64, new: &NewDelivery, now: u64) -> Result<Option<Receipt>, Stop> {
        let (state, attempts, due, token) = match new.lease {
            None => (State::Waiting, 0, now, 0),
            Some(lease) => (State::Leased, 1, now.saturating_add(millis(lease)), self.next_token()),
        };
        let seq = self.next_delivery();
        let mut insert = self.db.prepare_cached(
            "INSERT INTO delivery(seq, message, destination, state, attempts, since, due, token)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        insert.execute(params![seq, message, new.destination, number(state), attempts, now, due, token])?;
        self.tally.moved(&new.destination, None, Some(state));
        Ok((state == State::Leased).then(|| Receipt::new(DeliveryId::new(seq), token)))
    }

    pub(crate) fn lease(&mut self, to: &str, max: usize, lease: u64, now: u64) -> Result<Vec<Leased>, Stop> {
        let until = self.at(now).saturating_add(lease);
        // `state < 2` is the condition of the index.
        let mut select = self.db.prepare_cached(
            "SELECT seq, message, attempts, since, state FROM delivery
             WHERE destination = ?1 AND state < 2 AND due <= ?2 ORDER BY due, seq LIMIT ?3",
        )?;
        let rows = select.query_map(params![to, now, max], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, state(row, 4)?))
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<(u64, u64, u32, u64, State)>>>()?;
        let mut leased = Vec::with_capacity(rows.len());
        for (seq, message, attempts, since, before) in rows {
            let (token, attempt) = (self.next_token(), attempts.saturating_add(1));
            let mut update = self
                .db
                .prepare_cached("UPDATE delivery SET state = 1, attempts = ?2, due = ?3, token = ?4 WHERE seq = ?1")?;
            update.execute(params![seq, attempt, until, token])?;
            self.tally.moved(to, Some(before), Some(State::Leased));
            leased.push(Leased {
                receipt: Receipt::new(DeliveryId::new(seq), token),
                attempt,
                since: UnixTime::from_millis(since),
                message: read_message(self.db, message)?,
            });
        }
        Ok(leased)
    }

    pub(crate) fn settle(&mut self, delivery: u64, token: u64, ending: &Ending, now: u64) -> Result<Settled, Stop> {
        self.at(now);
        let Some(row) = self.delivery(delivery)?.filter(|row| row.state == State::Leased && row.token == token) else {
            return Ok(Settled::Superseded);
        };
        let (state, due, error, unused) = match ending {
            Ending::Done => (State::Done, now, None, 0),
            Ending::Retry { delay, error } => (State::Waiting, now.saturating_add(*delay), Some(shortened(error)), 0),
            Ending::Dead { error } => (State::Dead, now, Some(shortened(error)), 0),
            Ending::Unused => (State::Waiting, now, None, 1),
        };
        let mut update = self.db.prepare_cached(
            "UPDATE delivery SET state = ?2, due = ?3, error = coalesce(?4, error), attempts = attempts - ?5
             WHERE seq = ?1",
        )?;
        update.execute(params![delivery, number(state), due, error, unused])?;
        self.tally.moved(&row.destination, Some(row.state), Some(state));
        Ok(Settled::Recorded)
    }

    pub(crate) fn requeue(&mut self, delivery: u64, now: u64) -> Result<bool, Stop> {
        self.at(now);
        let Some(row) = self.delivery(delivery)?.filter(|row| row.is_free(now)) else { return Ok(false) };
        let mut update = self
            .db
            .prepare_cached("UPDATE delivery SET state = 0, attempts = 0, since = ?2, due = ?2 WHERE seq = ?1")?;
        update.execute(params![delivery, now])?;
        self.tally.moved(&row.destination, Some(row.state), Some(State::Waiting));
        Ok(true)
    }

    pub(crate) fn discard(&mut self, delivery: u64, now: u64) -> Result<bool, Stop> {
        self.at(now);
        let Some(row) = self.delivery(delivery)?.filter(|row| row.is_free(now)) else { return Ok(false) };
        self.remove_delivery(delivery, row.message, &row.destination, row.state)?;
        Ok(true)
    }

    fn delivery(&self, seq: u64) -> rusqlite::Result<Option<Stored>> {
        let mut select =
            self.db.prepare_cached("SELECT message, destination, state, due, token FROM delivery WHERE seq = ?1")?;
        let row = select.query_row([seq], |row| {
            Ok(Stored {
                message: row.get(0)?,
                destination: row.get(1)?,
                state: state(row, 2)?,
                due: row.get(3)?,
                token: row.get(4)?,
            })
        });
        row.optional()
    }
}

/// A delivery in the file.
struct Stored {
    message: u64,
    destination: String,
    state: State,
    due: u64,
    token: u64,
}

impl Stored {
    /// Whether no lease is valid at this time.
    fn is_free(&self, now: u64) -> bool {
        self.state != State::Leased || self.due <= now
    }
}

/// The message of a delivery.
pub(crate) fn message_of(db: &Connection, delivery: u64) -> rusqlite::Result<Option<StoredMessage>> {
    let mut select = db.prepare_cached("SELECT message FROM delivery WHERE seq = ?1")?;
    let message = select.query_row([delivery], |row| row.get(0)).optional()?;
    message.map(|message| read_message(db, message)).transpose()
}

fn read_message(db: &Connection, seq: u64) -> rusqlite::Result<StoredMessage> {
    let mut select = db.prepare_cached(
        "SELECT source, id, type, path, received, headers, body FROM message JOIN body USING (seq) WHERE seq = ?1",
    )?;
    select.query_row([seq], |row| {
        Ok(StoredMessage {
            key: read_key(row, 0)?,
            event_type: row.get(2)?,
            path: row.get(3)?,
            received: UnixTime::from_millis(row.get(4)?),
            headers: Headers::parse(row.get::<_, Vec<u8>>(5)?)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(5, Type::Blob, Box::new(error)))?,
            body: Bytes::from(row.get::<_, Vec<u8>>(6)?),
        })
    })
}

/// The key in this column and the next one.
pub(crate) fn read_key(row: &Row<'_>, column: usize) -> rusqlite::Result<ReplayKey> {
    let source = row.get_ref(column)?.as_str()?;
    let id = row.get_ref(column + 1)?.as_str()?;
    ReplayKey::parse(source, id)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn shortened(error: &str) -> &str {
    let end = (0..=error.len().min(MAX_ERROR)).rev().find(|end| error.is_char_boundary(*end));
    error.get(..end.unwrap_or_default()).unwrap_or_default()
}
