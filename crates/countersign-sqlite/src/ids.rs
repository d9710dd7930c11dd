//! Which row has which id: hashes in memory, because an index of random ids on disk would be slow to write.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// The rows of all known ids, by a keyed hash. Two ids may have the same hash, so the key of a row is always compared.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    table: HashTable<Entry>,
    hasher: RandomState,
    counts: HashMap<Box<[u8]>, usize>,
    /// The last row that was read or written.
    last: u64,
    /// What the current batch has changed, to undo it.
    changes: Vec<Change>,
    last_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    hash: u64,
    seq: u64,
}

#[derive(Debug)]
enum Change {
    Added(Entry, Box<[u8]>),
    Removed(Entry, Box<[u8]>),
}

impl Ids {
    /// How many ids are known.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many ids of this key's source are known.
    pub(crate) fn count(&self, key: &[u8]) -> usize {
        self.counts.get(source(key)).copied().unwrap_or_default()
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The rows that may have this key.
    pub(crate) fn candidates(&self, key: &[u8]) -> impl Iterator<Item = u64> {
        let hash = self.hasher.hash_one(key);
        self.table.iter_hash(hash).filter(move |entry| entry.hash == hash).map(|entry| entry.seq)
    }

    /// Reserves room for this many ids more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.table.reserve(more, |entry| entry.hash);
    }

    /// Adds a row of the current batch.
    pub(crate) fn add(&mut self, key: &[u8], seq: u64) {
        let entry = Entry { hash: self.hasher.hash_one(key), seq };
        self.insert(entry, source(key));
        self.last = self.last.max(seq);
        self.changes.push(Change::Added(entry, source(key).into()));
    }

    /// Adds a row that is committed.
    pub(crate) fn learn(&mut self, key: &[u8], seq: u64) {
        self.insert(Entry { hash: self.hasher.hash_one(key), seq }, source(key));
        self.last = self.last.max(seq);
        self.last_before = self.last;
    }

    /// Removes a row in the current batch.
    pub(crate) fn remove(&mut self, key: &[u8], seq: u64) {
        let entry = Entry { hash: self.hasher.hash_one(key), seq };
        if self.take_out(entry, source(key)) {
            self.changes.push(Change::Removed(entry, source(key).into()));
        }
    }

    /// The batch is committed.
    pub(crate) fn keep(&mut self) {
        self.changes.clear();
        self.last_before = self.last;
    }

    /// The batch was rolled back, so its row numbers will be used for other ids.
    pub(crate) fn undo(&mut self) {
        for change in std::mem::take(&mut self.changes).into_iter().rev() {
            match change {
                Change::Added(entry, source) => {
                    self.take_out(entry, &source);
                }
                Change::Removed(entry, source) => self.insert(entry, &source),
            }
        }
        self.last = self.last_before;
    }

    /// Forgets everything, to read it again.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.counts.clear();
        self.changes.clear();
        (self.last, self.last_before) = (0, 0);
    }

    fn insert(&mut self, entry: Entry, source: &[u8]) {
        self.table.insert_unique(entry.hash, entry, |entry| entry.hash);
        if let Some(count) = self.counts.get_mut(source) {
            *count += 1;
        } else {
            self.counts.insert(source.into(), 1);
        }
    }

    fn take_out(&mut self, entry: Entry, source: &[u8]) -> bool {
        let Ok(found) = self.table.find_entry(entry.hash, |known| *known == entry) else { return false };
        found.remove();
        if let Some(count) = self.counts.get_mut(source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(source);
            }
        }
        true
    }
}

/// The part of a key that is the source.
fn source(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_is_undone_leaves_nothing() {
        let mut ids = Ids::default();
        ids.learn(b"a\x001", 1);
        ids.add(b"a\x002", 2);
        ids.remove(b"a\x001", 1);
        ids.undo();
        assert_eq!((ids.len(), ids.last(), ids.count(b"a\0")), (1, 1, 1));
        assert_eq!(ids.candidates(b"a\x001").collect::<Vec<_>>(), [1]);
        assert_eq!(ids.candidates(b"a\x002").count(), 0);
    }

    #[test]
    fn a_batch_that_is_kept_stays() {
        let mut ids = Ids::default();
        ids.add(b"a\x001", 1);
        ids.add(b"b\x001", 2);
        ids.keep();
        ids.remove(b"a\x001", 1);
        ids.keep();
        ids.undo();
        assert_eq!((ids.len(), ids.last(), ids.count(b"a\0"), ids.count(b"b\0")), (1, 2, 0, 1));
    }

    #[test]
    fn an_entry_takes_16_bytes() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
