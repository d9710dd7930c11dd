//! Claims and the ids of messages.

use countersign::replay::{Claim, ClaimToken, ReplayKey, Settled};
use rusqlite::{OptionalExtension, params};

use crate::batch::Batch;
use crate::error::{Failure, Stop};
use crate::ids::Ids;

/// The largest size of an id in the file, in bytes.
const ID_SIZE: u64 = 512;

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    InFlight,
    Done,
}

/// A claim on an id, or the record that it is done.
#[derive(Clone, Copy, Debug)]
struct Mark {
    done: bool,
    token: u64,
    until: u64,
}

#[derive(Debug)]
struct Row {
    seq: u64,
    mark: Mark,
}

/// The key of an id in the file. A source contains no zero byte.
pub(crate) fn key_bytes(key: &ReplayKey) -> Vec<u8> {
    let (source, id) = (key.source().as_bytes(), key.message_id().as_str().as_bytes());
    [source, &[0], id].concat()
}

impl Batch<'_> {
    pub(crate) fn claim(&mut self, key: &ReplayKey, capacity: usize, lease: u64, now: u64) -> Result<Claim, Stop> {
        let token = self.next_token();
        let mark = Mark { done: false, token, until: self.at(now).saturating_add(lease) };
        Ok(match self.mark(&key_bytes(key), mark, now, Some(capacity))? {
            None => Claim::Fresh(ClaimToken::new(key.clone(), token)),
            Some(Known::InFlight) => Claim::InFlight,
            Some(Known::Done) => Claim::Done,
        })
    }

    pub(crate) fn confirm(&mut self, key: &ReplayKey, token: u64, retain: u64, now: u64) -> Result<Settled, Stop> {
        let key = key_bytes(key);
        let mark = Mark { done: true, token, until: self.at(now).saturating_add(retain) };
        match self.find(&key)? {
            Some(row) if row.mark.token == token => self.update(row.seq, mark)?,
            // The lease has expired. Unless another claim has the key, this one still counts.
            _ => {
                if self.mark(&key, mark, now, None)?.is_some() {
                    return Ok(Settled::Superseded);
                }
            }
        }
        Ok(Settled::Recorded)
    }

    pub(crate) fn release(&mut self, key: &ReplayKey, token: u64) -> Result<(), Stop> {
        if let Some(row) = self.find(&key_bytes(key))?
            && row.mark.token == token
            && !row.mark.done
        {
            self.update(row.seq, Mark { until: 0, ..row.mark })?;
        }
        Ok(())
    }

    /// Removes an id that is done.
    pub(crate) fn forget(&mut self, key: &ReplayKey) -> Result<bool, Stop> {
        let key = key_bytes(key);
        let Some(row) = self.find(&key)?.filter(|row| row.mark.done) else { return Ok(false) };
        self.db.prepare_cached("DELETE FROM seen WHERE seq = ?1")?.execute([row.seq])?;
        self.ids.remove(&key, row.seq);
        Ok(true)
    }

    /// How many ids the source of this key has.
    pub(crate) fn ids_of(&self, key: &ReplayKey) -> usize {
        self.ids.count(key.source().as_bytes())
    }

    /// Records that an id is done, unless it is known.
    pub(crate) fn mark_done(&mut self, key: &ReplayKey, retain: u64, now: u64) -> Result<Option<Known>, Stop> {
        let mark = Mark { done: true, token: self.next_token(), until: self.at(now).saturating_add(retain) };
        self.mark(&key_bytes(key), mark, now, Some(usize::MAX))
    }

    /// What is known of an id at this time.
    pub(crate) fn known(&mut self, key: &ReplayKey, now: u64) -> Result<Option<Known>, Stop> {
        Ok(self.find(&key_bytes(key))?.and_then(|row| row.mark.known(now)))
    }

    /// Marks an id, unless it is known. Without a `capacity`, it is marked even if the store is full.
    fn mark(&mut self, key: &[u8], mark: Mark, now: u64, capacity: Option<usize>) -> Result<Option<Known>, Stop> {
        if let Some(row) = self.find(key)? {
            let known = row.mark.known(now);
            if known.is_none() {
                self.update(row.seq, mark)?;
            }
            return Ok(known);
        }
        if let Some(capacity) = capacity {
            let is_full = |ids: &Ids, max: usize| ids.count(key) >= capacity || ids.len() >= max;
            if is_full(self.ids, self.options.max_ids) {
                self.make_room()?;
            }
            if is_full(self.ids, self.options.max_ids) {
                return Err(Stop::Rejected(Failure::Full));
            }
        }
        let seq = self.next_id();
        let mut statement =
            self.db.prepare_cached("INSERT INTO seen(seq, key, state, token, until) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        statement.execute(params![seq, key, mark.done, mark.token, mark.until])?;
        self.ids.add(key, seq);
        self.added += ID_SIZE;
        Ok(None)
    }

    fn find(&self, key: &[u8]) -> rusqlite::Result<Option<Row>> {
        for seq in self.ids.candidates(key) {
            let mut statement =
                self.db.prepare_cached("SELECT state, token, until FROM seen WHERE seq = ?1 AND key = ?2")?;
            let mark = statement.query_row(params![seq, key], |row| {
                Ok(Mark { done: row.get(0)?, token: row.get(1)?, until: row.get(2)? })
            });
            if let Some(mark) = mark.optional()? {
                return Ok(Some(Row { seq, mark }));
            }
        }
        Ok(None)
    }

    fn update(&self, seq: u64, mark: Mark) -> rusqlite::Result<()> {
        let mut statement =
            self.db.prepare_cached("UPDATE seen SET state = ?2, token = ?3, until = ?4 WHERE seq = ?1")?;
        statement.execute(params![seq, mark.done, mark.token, mark.until]).map(drop)
    }
}

impl Mark {
    fn known(self, now: u64) -> Option<Known> {
        match self {
            Self { until, .. } if until <= now => None,
            Self { done: true, .. } => Some(Known::Done),
            Self { done: false, .. } => Some(Known::InFlight),
        }
    }
}
