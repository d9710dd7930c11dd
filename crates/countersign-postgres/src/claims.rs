//! Claims.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::lane::Operation;

/// The final `SELECT` sees the table as it was before. It finds neither a claim that another transaction made meanwhile,
/// which is in flight, nor that a claim was confirmed meanwhile, and then it is still in flight.
const CLAIM: &str = "\
WITH asked AS (
  SELECT key, number, lease FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS a(key, number, lease)
), claimed AS (
  INSERT INTO countersign_claim AS c (key, done, number, until)
  SELECT key, false, number, now() + lease * interval '1 millisecond' FROM asked ORDER BY key
  ON CONFLICT (key) DO UPDATE SET done = false, number = excluded.number, until = excluded.until
  WHERE c.until <= now() OR (c.number = excluded.number AND NOT c.done)
  RETURNING key
)
SELECT asked.key, claimed.key IS NOT NULL, COALESCE(before.done, false)
FROM asked LEFT JOIN claimed USING (key) LEFT JOIN countersign_claim AS before USING (key)";

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
        let rows = client
            .query_typed(CLAIM, &[(&keys, Type::TEXT_ARRAY), (&numbers, Type::INT8_ARRAY), (&leases, Type::INT8_ARRAY)])
            .await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let (is_fresh, is_done): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
            let outcome = match (is_fresh, is_done) {
                (true, _) => Found::Fresh,
                (false, true) => Found::Done,
                (false, false) => Found::InFlight,
            };
            found.insert(row.try_get::<_, &str>(0)?, outcome);
        }
        // Each key has a row. Without one, nothing may be handled.
        Ok(keys.iter().map(|key| found.get(key).copied().unwrap_or(Found::InFlight)).collect())
    }
}
