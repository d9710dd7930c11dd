//! Lists of deliveries.

use countersign::UnixTime;
use countersign_inbox::{Delivery, DeliveryId, Filter};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::deliveries::read_key;
use crate::state::{number, state};

/// The longest list. An open list keeps the file from being cleaned up.
const MAX_PAGE: usize = 1000;

pub(crate) fn list(db: &Connection, filter: Filter) -> rusqlite::Result<Vec<Delivery>> {
    let (query, values) = query(filter);
    let mut statement = db.prepare_cached(&query)?;
    let rows = statement.query_map(params_from_iter(values), read)?;
    rows.collect()
}

/// The query and its values. No value is part of the query's text.
fn query(filter: Filter) -> (String, Vec<Value>) {
    let millis = |time: UnixTime| integer(time.as_millis());
    let conditions = [
        ("delivery.state = ?", filter.state.map(|state| integer(number(state).into()))),
        ("destination = ?", filter.destination.map(Value::Text)),
        ("source = ?", filter.source.map(Value::Text)),
        ("id = ?", filter.message_id.map(Value::Text)),
        ("type = ?", filter.event_type.map(Value::Text)),
        ("received >= ?", filter.received_from.map(millis)),
        ("received < ?", filter.received_before.map(millis)),
        ("delivery.seq < ?", filter.older_than.map(|id| integer(id.number()))),
    ];
    let mut query = "SELECT source, id, type, delivery.seq, destination, state, attempts, since, due, error
        FROM delivery JOIN message ON message.seq = delivery.message WHERE 1"
        .to_owned();
    let mut values = Vec::new();
    for (condition, value) in conditions {
        if let Some(value) = value {
            query.push_str(" AND ");
            query.push_str(condition);
            values.push(value);
        }
    }
    query.push_str(" ORDER BY delivery.seq DESC LIMIT ?");
    values.push(integer(u64::try_from(filter.limit.min(MAX_PAGE)).unwrap_or_default()));
    (query, values)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: DeliveryId::new(row.get(3)?),
        key: read_key(row, 0)?,
        event_type: row.get(2)?,
        destination: row.get(4)?,
        state: state(row, 5)?,
        attempts: row.get(6)?,
        since: UnixTime::from_millis(row.get(7)?),
        due: UnixTime::from_millis(row.get(8)?),
        last_error: row.get(9)?,
    })
}

fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
