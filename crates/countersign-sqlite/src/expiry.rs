//! Expiry: of ids, step by step through the file, and of deliveries.

use countersign_inbox::{Keep, State};
use rusqlite::params;

use crate::batch::Batch;
use crate::error::Stop;
use crate::state::number;
use crate::time::millis;

/// How many rows a step looks at.
const STEP: usize = 2000;
/// The time between two steps, in milliseconds.
const PAUSE: u64 = 100;

impl Batch<'_> {
    /// Makes a step if it is time.
    pub(crate) fn sweep_if_due(&mut self) -> rusqlite::Result<()> {
        if self.sweep.now < self.sweep.stepped.saturating_add(PAUSE) {
            return Ok(());
        }
        self.sweep_step()
    }

    /// Looks for expired ids, once in a batch, because there is no room for a new one.
    pub(crate) fn make_room(&mut self) -> rusqlite::Result<()> {
        if std::mem::replace(&mut self.sweep.searched, true) {
            return Ok(());
        }
        // Another process may have removed ids that are known here.
        self.sweep.reload = std::mem::take(&mut self.sweep.shared);
        self.sweep_step()
    }

    /// Removes the expired ones of the next rows, and starts again at the end of the file.
    fn sweep_step(&mut self) -> rusqlite::Result<()> {
        self.sweep.stepped = self.sweep.now;
        let mut select =
            self.db.prepare_cached("SELECT seq, key, until FROM seen WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let (mut looked_at, mut last, mut expired) = (0, 0, Vec::new());
        let mut rows = select.query(params![self.sweep.after, STEP])?;
        while let Some(row) = rows.next()? {
            looked_at += 1;
            last = row.get(0)?;
            if row.get::<_, u64>(2)? <= self.sweep.now {
                expired.push((last, row.get::<_, Vec<u8>>(1)?));
            }
        }
        self.sweep.after = if looked_at < STEP { 0 } else { last };
        let mut delete = self.db.prepare_cached("DELETE FROM seen WHERE seq = ?1")?;
        for (seq, key) in expired {
            delete.execute([seq])?;
            self.ids.remove(&key, seq);
        }
        Ok(())
    }

    pub(crate) fn expire_deliveries(&mut self, keep: Keep, limit: usize, now: u64) -> Result<usize, Stop> {
        self.at(now);
        let mut removed = 0;
        for (state, kept) in [(State::Done, keep.done), (State::Dead, keep.dead)] {
            let before = now.saturating_sub(millis(kept));
            // `state >= 2` is the condition of the index.
            let mut select = self.db.prepare_cached(
                "SELECT seq, message, destination FROM delivery WHERE state >= 2 AND state = ?1 AND due <= ?2 LIMIT ?3",
            )?;
            let rows = select.query_map(params![number(state), before, limit.saturating_sub(removed)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            let rows = rows.collect::<rusqlite::Result<Vec<(u64, u64, String)>>>()?;
            for (delivery, message, destination) in rows {
                self.remove_delivery(delivery, message, &destination, state)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes this delivery of this message, which is in this state, and the message with the last one.
    pub(crate) fn remove_delivery(
        &mut self,
        delivery: u64,
        message: u64,
        destination: &str,
        state: State,
    ) -> rusqlite::Result<()> {
        self.db.prepare_cached("DELETE FROM delivery WHERE seq = ?1")?.execute([delivery])?;
        self.tally.moved(destination, Some(state), None);
        let mut count =
            self.db.prepare_cached("UPDATE message SET remain = remain - 1 WHERE seq = ?1 RETURNING remain")?;
        let remain: u64 = count.query_row([message], |row| row.get(0))?;
        if remain == 0 {
            self.db.prepare_cached("DELETE FROM body WHERE seq = ?1")?.execute([message])?;
            self.db.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([message])?;
            self.counters.messages = self.counters.messages.saturating_sub(1);
        }
        Ok(())
    }
}
