//! A batch: one transaction, with what its operations share.

use rusqlite::Connection;

use crate::ids::Ids;
use crate::options::Options;
use crate::tally::Tally;

/// A write transaction.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) ids: &'a mut Ids,
    pub(crate) sweep: &'a mut Sweep,
    pub(crate) options: Options,
    pub(crate) counters: Counters,
    pub(crate) tally: Tally,
    /// Whether the file has reached its maximum size.
    pub(crate) is_large: bool,
    /// About how many bytes were added, rather too many than too few.
    pub(crate) added: u64,
}

/// What all processes that share the file count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The last number of a claim or a lease.
    pub(crate) token: u64,
    /// The last number of an id.
    pub(crate) id: u64,
    /// The last number of a delivery.
    pub(crate) delivery: u64,
    /// How many messages are in the inbox.
    pub(crate) messages: u64,
}

/// Where the search for expired ids continues.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The last row that was looked at.
    pub(crate) after: u64,
    /// The time of the newest operation, in milliseconds.
    pub(crate) now: u64,
    /// When the last step was made.
    pub(crate) stepped: u64,
    /// Whether this batch has looked for room already.
    pub(crate) searched: bool,
    /// Whether another process has written since the ids were read, so that some may be gone.
    pub(crate) shared: bool,
    /// Whether all ids are read again before the next batch.
    pub(crate) reload: bool,
}

impl Batch<'_> {
    /// The next number of a claim or a lease.
    pub(crate) fn next_token(&mut self) -> u64 {
        self.counters.token += 1;
        self.counters.token
    }

    /// The next number of an id.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.counters.id += 1;
        self.counters.id
    }

    /// The next number of a delivery.
    pub(crate) fn next_delivery(&mut self) -> u64 {
        self.counters.delivery += 1;
        self.counters.delivery
    }

    /// Notes the time of an operation.
    pub(crate) fn at(&mut self, now: u64) -> u64 {
        self.sweep.now = self.sweep.now.max(now);
        now
    }
}

impl Counters {
    pub(crate) fn read(db: &Connection) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached("SELECT token, id, delivery, messages FROM counts WHERE one = 1")?;
        statement.query_row([], |row| {
            Ok(Self { token: row.get(0)?, id: row.get(1)?, delivery: row.get(2)?, messages: row.get(3)? })
        })
    }

    pub(crate) fn write(self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement =
            db.prepare_cached("UPDATE counts SET token = ?1, id = ?2, delivery = ?3, messages = ?4 WHERE one = 1")?;
        statement.execute([self.token, self.id, self.delivery, self.messages]).map(drop)
    }
}
