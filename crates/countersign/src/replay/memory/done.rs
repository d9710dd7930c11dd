use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashTable;

use super::id::{Id, ShortHash};
use super::queue::{ByteQueue, Place};

/// Ids that are done: in the order in which they expire, and found through a table of their places.
///
/// All are remembered for the same time, so the first to come is the first to expire. The table grows without looking
/// at an id.
#[derive(Debug, Default)]
pub(super) struct Done {
    ids: ByteQueue,
    table: HashTable<Entry>,
    /// The soonest expiry first.
    runs: VecDeque<Run>,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    hash: ShortHash,
}

/// Successive ids that expire in the same second.
#[derive(Debug)]
struct Run {
    expires: ExpirySecs,
    ids: u32,
}

/// Seconds of the store's own time, rounded up; enough for 136 years.
type ExpirySecs = u32;

impl Done {
    /// Whether the id is there; [`expire`](Self::expire) was called with the present time before.
    pub(super) fn contains(&self, id: &Id) -> bool {
        let hash = id.short_hash();
        let is_this = |entry: &Entry| entry.hash == hash && self.ids.get(entry.place) == id.bytes();
        self.table.find(hash.spread(), is_this).is_some()
    }

    pub(super) fn has_place(&self) -> bool {
        self.ids.has_place()
    }

    /// Adds an id. A thread whose reading of the clock is older than the last one's adds it with the last one's expiry.
    pub(super) fn push(&mut self, id: &Id, expires: Duration) {
        let secs = expires.as_secs().saturating_add(u64::from(expires.subsec_nanos() > 0));
        let expires = u32::try_from(secs).unwrap_or(u32::MAX);
        match self.runs.back_mut() {
            Some(last) if expires <= last.expires => last.ids += 1,
            _ => self.runs.push_back(Run { expires, ids: 1 }),
        }
        let entry = Entry { place: self.ids.push(id.bytes()), hash: id.short_hash() };
        self.table.insert_unique(entry.hash.spread(), entry, |entry| entry.hash.spread());
    }

    /// Forgets an id. Its room is freed when it would have expired. Returns whether it was there.
    pub(super) fn forget(&mut self, id: &Id) -> bool {
        let hash = id.short_hash();
        let is_this = |entry: &Entry| entry.hash == hash && self.ids.get(entry.place) == id.bytes();
        self.table.find_entry(hash.spread(), is_this).map(hashbrown::hash_table::OccupiedEntry::remove).is_ok()
    }

    /// Frees the room of what expired. Returns how many.
    pub(super) fn expire(&mut self, now: Duration) -> usize {
        let mut expired = 0;
        while let Some(&Run { expires, ids }) = self.runs.front()
            && u64::from(expires) <= now.as_secs()
        {
            self.runs.pop_front();
            for _ in 0..ids {
                self.remove_oldest();
            }
            expired += ids as usize;
        }
        expired
    }

    fn remove_oldest(&mut self) {
        if let Some((place, id)) = self.ids.front() {
            let hash = ShortHash::of_bytes(id).spread();
            if let Ok(entry) = self.table.find_entry(hash, |entry| entry.place == place) {
                entry.remove();
            }
        }
        self.ids.pop();
    }
}
