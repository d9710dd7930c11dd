//! Claims.

use std::collections::HashSet;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::known;
use crate::lane::Operation;

const CLAIM: &str = "\
INSERT INTO countersign_claim AS c (key, done, number, until)
SELECT key, false, number, now() + lease * interval '1 millisecond'
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS a(key, number, lease) ORDER BY key COLLATE \"C\"
ON CONFLICT (key) DO UPDATE SET done = false, number = excluded.number, until = excluded.until
WHERE c.until <= now() OR (c.number = excluded.number AND NOT c.done)
RETURNING key";

#[derive(Debug)]
pub(crate) struct ClaimOperation {
    pub(crate) key: String,
    pub(crate) number: i64,
    pub(crate) lease_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Fresh,
    InFlight,
    Done,
}

impl Operation for ClaimOperation {
    type Outcome = Found;

    fn key(&self) -> &str {
        &self.key
    }

    fn after(earlier: &Found) -> Option<Found> {
        Some(match earlier {
            Found::Fresh | Found::InFlight => Found::InFlight,
            Found::Done => Found::Done,
        })
    }

    async fn carry_out(client: &mut Client, operations: &[&Self]) -> Result<Vec<Found>, Error> {
        let keys: Vec<&str> = operations.iter().map(|claim| claim.key()).collect();
        let numbers: Vec<i64> = operations.iter().map(|claim| claim.number).collect();
        let leases: Vec<i64> = operations.iter().map(|claim| claim.lease_ms).collect();
        let arguments: [(&(dyn ToSql + Sync), Type); 3] =
            [(&keys, Type::TEXT_ARRAY), (&numbers, Type::INT8_ARRAY), (&leases, Type::INT8_ARRAY)];
        let rows = client.query_typed(CLAIM, &arguments).await?;
        let fresh = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<&str>, _>>()?;
        let others: Vec<&str> = keys.iter().copied().filter(|key| !fresh.contains(key)).collect();
        let known = known::find(client, &others).await?;
        let found = |key: &str| match known.get(key) {
            _ if fresh.contains(key) => Found::Fresh,
            Some(known) if known.is_done => Found::Done,
            // Also a claim that has ended since the first statement: the sender tries again.
            _ => Found::InFlight,
        };
        Ok(keys.into_iter().map(found).collect())
    }
}
