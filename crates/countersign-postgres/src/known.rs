//! Ids that the store remembers.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

const KNOWN: &str = "SELECT key, done, number FROM countersign_claim WHERE key = ANY($1::text[]) AND until > now()";

/// An id that was claimed or confirmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) is_done: bool,
    pub(crate) number: i64,
}

/// Those of these keys that are remembered.
pub(crate) async fn find(client: &Client, keys: &[&str]) -> Result<HashMap<String, Known>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = client.query_typed(KNOWN, &[(&keys, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, Known { is_done: row.try_get(1)?, number: row.try_get(2)? }))).collect()
}
