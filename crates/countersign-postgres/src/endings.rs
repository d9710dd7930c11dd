//! The results of attempts.

use std::collections::HashSet;
use std::time::Duration;

use countersign_inbox::Receipt;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::lane::Operation;
use crate::values::{millis, text};

/// The longest error that is stored, in bytes.
const MAX_ERROR: usize = 1024;

/// A repetition has the same effect as the first, because the state is that of `a`.
const END: &str = "\
UPDATE countersign_delivery AS d
SET state = a.state, due = now() + a.delay * interval '1 millisecond', error = COALESCE(a.error, d.error),
  attempts = d.attempts - CASE WHEN d.state = 1 THEN a.unused ELSE 0 END
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::text[], $6::bigint[])
  AS a(seq, number, state, delay, error, unused)
WHERE d.seq = a.seq AND d.number = a.number AND (d.state = 1 OR d.state = a.state)
RETURNING d.seq";

/// How an attempt ended.
pub(crate) struct Ending {
    key: String,
    seq: i64,
    number: i64,
    state: i16,
    delay_ms: i64,
    error: Option<String>,
    /// How many attempts were counted that did not start.
    unused: i64,
}

impl Ending {
    pub(crate) fn done(receipt: &Receipt) -> Self {
        Self::new(receipt, 2, Duration::ZERO, None)
    }

    /// Due again after `delay`.
    pub(crate) fn retry(receipt: &Receipt, delay: Duration, error: &str) -> Self {
        Self::new(receipt, 0, delay, Some(error))
    }

    /// Due at once, because the attempt did not start.
    pub(crate) fn unused(receipt: &Receipt) -> Self {
        Self { unused: 1, ..Self::new(receipt, 0, Duration::ZERO, None) }
    }

    pub(crate) fn dead(receipt: &Receipt, error: &str) -> Self {
        Self::new(receipt, 3, Duration::ZERO, Some(error))
    }

    fn new(receipt: &Receipt, state: i16, delay: Duration, error: Option<&str>) -> Self {
        let seq = receipt.delivery().number();
        Self {
            key: seq.to_string(),
            seq: seq.cast_signed(),
            number: receipt.number().cast_signed(),
            state,
            delay_ms: millis(delay),
            error: error.map(|error| text(shortened(error)).into_owned()),
            unused: 0,
        }
    }
}

impl Operation for Ending {
    /// Whether it was recorded. Otherwise it was superseded.
    type Outcome = bool;

    fn key(&self) -> &str {
        &self.key
    }

    fn after(_: &bool) -> Option<bool> {
        None
    }

    async fn carry_out(client: &mut Client, operations: &[&Self]) -> Result<Vec<bool>, Error> {
        let seqs: Vec<_> = operations.iter().map(|one| one.seq).collect();
        let numbers: Vec<_> = operations.iter().map(|one| one.number).collect();
        let states: Vec<_> = operations.iter().map(|one| one.state).collect();
        let delays: Vec<_> = operations.iter().map(|one| one.delay_ms).collect();
        let errors: Vec<_> = operations.iter().map(|one| one.error.as_deref()).collect();
        let unused: Vec<_> = operations.iter().map(|one| one.unused).collect();
        let arguments: [(&(dyn ToSql + Sync), Type); 6] = [
            (&seqs, Type::INT8_ARRAY),
            (&numbers, Type::INT8_ARRAY),
            (&states, Type::INT2_ARRAY),
            (&delays, Type::INT8_ARRAY),
            (&errors, Type::TEXT_ARRAY),
            (&unused, Type::INT8_ARRAY),
        ];
        let rows = client.query_typed(END, &arguments).await?;
        let recorded = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<i64>, _>>()?;
        Ok(operations.iter().map(|one| recorded.contains(&one.seq)).collect())
    }
}

fn shortened(error: &str) -> &str {
    let end = (0..=error.len().min(MAX_ERROR)).rev().find(|end| error.is_char_boundary(*end));
    error.get(..end.unwrap_or_default()).unwrap_or_default()
}
