//! How a batch changes the backlogs, which are written once at its end.

use countersign_inbox::State;
use rusqlite::{Connection, params};

use crate::state::number;

/// By how much each backlog grows.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<Change>);

#[derive(Debug)]
struct Change {
    destination: String,
    /// By state. Those that are done are no backlog.
    growth: [i64; 4],
}

impl Tally {
    /// A delivery of this destination has left the one state and has come to the other. Before it is added and after
    /// it was removed, it has none.
    pub(crate) fn moved(&mut self, destination: &str, from: Option<State>, to: Option<State>) {
        let growth = self.growth(destination);
        for (state, by) in [(from, -1), (to, 1)] {
            if let Some(state) = state {
                growth[usize::from(number(state))] += by;
            }
        }
    }

    fn growth(&mut self, destination: &str) -> &mut [i64; 4] {
        // A batch has few destinations.
        let at = self.0.iter().position(|change| change.destination == destination).unwrap_or_else(|| {
            self.0.push(Change { destination: destination.to_owned(), growth: [0; 4] });
            self.0.len() - 1
        });
        &mut self.0[at].growth
    }

    pub(crate) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        for Change { destination, growth: [waiting, leased, _, dead] } in &self.0 {
            if [*waiting, *leased, *dead] == [0; 3] {
                continue;
            }
            let mut add = db.prepare_cached(
                "INSERT INTO backlog(destination, waiting, leased, dead) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT(destination) DO UPDATE SET
                    waiting = waiting + excluded.waiting, leased = leased + excluded.leased, dead = dead + excluded.dead",
            )?;
            add.execute(params![destination, waiting, leased, dead])?;
        }
        Ok(())
    }
}
