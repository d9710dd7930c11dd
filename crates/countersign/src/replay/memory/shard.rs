use std::time::Duration;

use hashbrown::HashTable;

use super::done::Done;
use super::id::{Id, ShortHash};

#[derive(Debug, Default)]
pub(super) struct Shard {
    held: HashTable<Held>,
    pub(super) done: Done,
}

/// A claim in flight.
#[derive(Debug)]
pub(super) struct Held {
    id: Box<[u8]>,
    hash: ShortHash,
    pub(super) number: u64,
    /// In the store's own time, as all times below.
    until: Duration,
}

pub(super) enum State {
    /// Nobody has it, or a claim whose lease ran out.
    Free,
    Held(u64),
    Done,
}

impl Shard {
    /// Claims that were not settled, those whose lease ran out unnoticed included.
    pub(super) fn in_flight(&self) -> usize {
        self.held.len()
    }

    pub(super) fn state(&self, id: &Id, now: Duration) -> State {
        match self.find_held(id) {
            Some(held) if now < held.until => State::Held(held.number),
            _ if self.done.contains(id) => State::Done,
            _ => State::Free,
        }
    }

    pub(super) fn find_held(&self, id: &Id) -> Option<&Held> {
        self.held.find(id.short_hash().spread(), |held| *held.id == *id.bytes())
    }

    pub(super) fn remove_held(&mut self, id: &Id) -> Option<Held> {
        self.held
            .find_entry(id.short_hash().spread(), |held| *held.id == *id.bytes())
            .ok()
            .map(|entry| entry.remove().0)
    }

    pub(super) fn hold(&mut self, id: &Id, number: u64, until: Duration) {
        let held = Held { id: id.bytes().into(), hash: id.short_hash(), number, until };
        self.held.insert_unique(held.hash.spread(), held, |held| held.hash.spread());
    }

    /// Frees the room of all that expired, claims too. Returns how many.
    pub(super) fn sweep(&mut self, now: Duration) -> usize {
        let before = self.held.len();
        self.held.retain(|held| now < held.until);
        before - self.held.len() + self.done.expire(now)
    }
}
