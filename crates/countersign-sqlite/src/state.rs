//! The states of deliveries, which are numbers in the file.

use countersign_inbox::State;
use rusqlite::Row;
use rusqlite::types::Type;

pub(crate) const fn number(state: State) -> u8 {
    match state {
        State::Waiting => 0,
        State::Leased => 1,
        State::Done => 2,
        State::Dead => 3,
    }
}

/// The state in this column.
pub(crate) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    Ok(match row.get(column)? {
        0 => State::Waiting,
        1 => State::Leased,
        2 => State::Done,
        3 => State::Dead,
        other => {
            let why = format!("state {other}").into();
            return Err(rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, why));
        }
    })
}
