//! Which upstream failed a message last, so that its retry can go to another one first.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::address::Address;

/// 32 KiB. Entries that fall on the same slot replace each other.
const SLOTS: usize = 4096;

/// The upstreams that failed recent messages: half of a hash of the message id, and half of one of the address. A wrong
/// entry only changes which upstream is the first choice.
#[derive(Debug)]
pub(super) struct LastFailed {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for LastFailed {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

/// The address that failed a message last, as it can be compared with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed(Option<u32>);

impl LastFailed {
    /// This address failed this message.
    pub(super) fn put(&self, message: &[u8], address: &Address) {
        let hash = self.hasher.hash_one(message);
        if let Some(slot) = self.slot(hash) {
            slot.store((hash & !u64::from(u32::MAX)) | u64::from(self.tag(address)), Relaxed);
        }
    }

    /// The address that failed this message last, if it is known.
    pub(super) fn get(&self, message: &[u8]) -> Failed {
        let hash = self.hasher.hash_one(message);
        let entry = self.slot(hash).map_or(0, |slot| slot.load(Relaxed));
        let tag = low(entry);
        Failed((tag != 0 && entry >> 32 == hash >> 32).then_some(tag))
    }

    /// Whether it is this address.
    pub(super) fn is(&self, failed: Failed, address: &Address) -> bool {
        failed.0.is_some_and(|tag| tag == self.tag(address))
    }

    /// An address in 32 bits, never 0.
    fn tag(&self, address: &Address) -> u32 {
        low(self.hasher.hash_one(address)) | 1
    }

    fn slot(&self, hash: u64) -> Option<&AtomicU64> {
        self.slots.get(usize::try_from(low(hash)).ok()? % SLOTS)
    }
}

/// The lower half.
#[expect(clippy::cast_possible_truncation, reason = "only the lower half is wanted")]
const fn low(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address::Ip(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn the_last_failure_of_a_message_is_known() {
        let memory = LastFailed::default();
        let is = |message: &[u8], port| memory.is(memory.get(message), &address(port));
        assert!(!is(b"msg_1", 1));
        memory.put(b"msg_1", &address(1));
        assert!(is(b"msg_1", 1) && !is(b"msg_1", 2) && !is(b"msg_2", 1));
        memory.put(b"msg_1", &address(2));
        assert!(is(b"msg_1", 2) && !is(b"msg_1", 1));
    }

    #[test]
    fn new_messages_replace_old_ones() {
        let memory = LastFailed::default();
        for n in 0..100_000_u32 {
            memory.put(&n.to_be_bytes(), &address(1));
        }
        let known = (0..100_000_u32).filter(|n| memory.is(memory.get(&n.to_be_bytes()), &address(1)));
        assert!((1..=SLOTS).contains(&known.count()));
        assert_eq!(memory.slots.len(), SLOTS);
    }
}
