//! Confirmations and releases.

use std::collections::HashSet;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::lane::Operation;

const CONFIRM: &str = "\
INSERT INTO countersign_claim AS c (key, done, number, until)
SELECT key, true, number, now() + $3 * interval '1 millisecond'
FROM unnest($1::text[], $2::bigint[]) AS a(key, number) ORDER BY key
ON CONFLICT (key) DO UPDATE SET done = true, number = excluded.number, until = excluded.until
WHERE c.until <= now() OR c.number = excluded.number
RETURNING key";

const RELEASE: &str = "\
DELETE FROM countersign_claim AS c USING unnest($1::text[], $2::bigint[]) AS a(key, number)
WHERE c.key = a.key AND c.number = a.number AND NOT c.done";

const FORGET: &str = "DELETE FROM countersign_claim WHERE key = $1 AND done AND until > now() RETURNING key";

/// Forgets an id that is done. Returns whether there was one.
pub(crate) async fn forget(client: &Client, key: &str) -> Result<bool, Error> {
    client.query_typed(FORGET, &[(&key, Type::TEXT)]).await.map(|rows| !rows.is_empty())
}

type Argument<'a> = (&'a (dyn ToSql + Sync), Type);

#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) key: String,
    pub(crate) number: i64,
    /// How long the id is remembered, in milliseconds. `None` releases the claim.
    pub(crate) retain_ms: Option<i64>,
}

impl Operation for Settlement {
    /// Whether a confirmation was recorded. Otherwise it was superseded.
    type Outcome = bool;

    fn key(&self) -> &str {
        &self.key
    }

    fn after(_: &bool) -> Option<bool> {
        None
    }

    async fn carry_out(client: &mut Client, operations: &[&Self]) -> Result<Vec<bool>, Error> {
        let (mut keys, mut numbers) = (Vec::new(), Vec::new());
        let (mut released, mut released_numbers) = (Vec::new(), Vec::new());
        let mut retain_ms = 0;
        for settlement in operations {
            if let Some(retain) = settlement.retain_ms {
                retain_ms = retain;
                keys.push(settlement.key());
                numbers.push(settlement.number);
            } else {
                released.push(settlement.key());
                released_numbers.push(settlement.number);
            }
        }
        let mut recorded = HashSet::new();
        if !keys.is_empty() {
            let arguments: [Argument<'_>; 3] =
                [(&keys, Type::TEXT_ARRAY), (&numbers, Type::INT8_ARRAY), (&retain_ms, Type::INT8)];
            for row in client.query_typed(CONFIRM, &arguments).await? {
                recorded.insert(row.try_get::<_, String>(0)?);
            }
        }
        if !released.is_empty() {
            let arguments: [Argument<'_>; 2] = [(&released, Type::TEXT_ARRAY), (&released_numbers, Type::INT8_ARRAY)];
            client.query_typed(RELEASE, &arguments).await?;
        }
        Ok(operations.iter().map(|settlement| recorded.contains(settlement.key())).collect())
    }
}
