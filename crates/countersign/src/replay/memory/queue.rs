//! A queue of byte strings that are never moved.

use std::collections::VecDeque;

/// The first chunk is small, so that a store for few ids is small; each next one is twice as long, up to the last.
const FIRST_CHUNK: usize = 1024;
const LAST_CHUNK: usize = 16 * 1024;
/// Entries begin at multiples of this.
const ALIGN: usize = 4;
const OFFSET_BITS: u32 = (LAST_CHUNK / ALIGN).trailing_zeros();
const CHUNK_BITS: u32 = u32::BITS - OFFSET_BITS;

/// Where an entry is: the number of its chunk, and its offset in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

/// A queue in chunks. Neither growth nor removal copies an entry, and a chunk is freed once its last entry is removed.
#[derive(Debug, Default)]
pub(super) struct ByteQueue {
    chunks: VecDeque<Vec<u8>>,
    /// The number of the first chunk. Numbers wrap.
    first: u32,
    /// Where the oldest entry begins in the first chunk.
    read: usize,
}

impl ByteQueue {
    /// Whether another entry has a place. The queue has 16 GiB, over four times what an evenly filled shard needs.
    pub(super) fn has_place(&self) -> bool {
        self.chunks.len() < 1 << CHUNK_BITS
    }

    /// Appends an entry. Call it only if it [has a place](Self::has_place).
    pub(super) fn push(&mut self, entry: &[u8]) -> Place {
        #[expect(clippy::cast_possible_truncation, reason = "an entry is an id of at most `Id::MAX_LEN` bytes")]
        let len = (entry.len() as u16).to_le_bytes();
        let size = (len.len() + entry.len()).next_multiple_of(ALIGN);
        if self.chunks.back().is_none_or(|chunk| chunk.capacity() - chunk.len() < size) {
            let capacity = FIRST_CHUNK.checked_shl(u32::try_from(self.chunks.len()).unwrap_or(u32::MAX));
            self.chunks.push_back(Vec::with_capacity(capacity.unwrap_or(LAST_CHUNK).clamp(FIRST_CHUNK, LAST_CHUNK)));
        }
        let index = self.chunks.len() - 1;
        let chunk = &mut self.chunks[index];
        let offset = chunk.len();
        chunk.extend_from_slice(&len);
        chunk.extend_from_slice(entry);
        chunk.resize(offset + size, 0);
        self.place(index, offset)
    }

    /// The entry at a place that [`push`](Self::push) returned and that was not removed since.
    pub(super) fn get(&self, place: Place) -> &[u8] {
        let number = place.0 >> OFFSET_BITS;
        let offset = (place.0 & ((1 << OFFSET_BITS) - 1)) as usize * ALIGN;
        let index = number.wrapping_sub(self.first) & ((1 << CHUNK_BITS) - 1);
        entry(&self.chunks[index as usize][offset..])
    }

    /// The oldest entry.
    pub(super) fn front(&self) -> Option<(Place, &[u8])> {
        let rest = self.chunks.front()?.get(self.read..).filter(|rest| !rest.is_empty())?;
        Some((self.place(0, self.read), entry(rest)))
    }

    /// Removes the oldest entry.
    pub(super) fn pop(&mut self) {
        let Some((_, entry)) = self.front() else { return };
        self.read += (size_of::<u16>() + entry.len()).next_multiple_of(ALIGN);
        if self.chunks.front().is_some_and(|chunk| self.read == chunk.len()) {
            self.chunks.pop_front();
            self.first = self.first.wrapping_add(1) & ((1 << CHUNK_BITS) - 1);
            self.read = 0;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "`has_place` bounds the index, and a chunk the offset")]
    fn place(&self, index: usize, offset: usize) -> Place {
        let number = self.first.wrapping_add(index as u32) & ((1 << CHUNK_BITS) - 1);
        Place(number << OFFSET_BITS | (offset / ALIGN) as u32)
    }
}

/// The entry at the start of `bytes`.
fn entry(bytes: &[u8]) -> &[u8] {
    let (len, rest) = bytes.split_at(size_of::<u16>());
    &rest[..usize::from(u16::from_le_bytes([len[0], len[1]]))]
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{ByteQueue, CHUNK_BITS};

    #[test]
    fn entries_leave_in_their_order_and_stay_where_they_are() {
        // Close to the end of the numbers, so that they wrap.
        let mut queue = ByteQueue { first: (1 << CHUNK_BITS) - 2, ..ByteQueue::default() };
        let mut model = VecDeque::new();
        for n in 0..200_000_usize {
            let entry = vec![b'a' + u8::try_from(n % 26).unwrap(); 1 + n * 7 % 320];
            model.push_back((queue.push(&entry), entry));
            // Two come and one leaves, then one comes and two leave.
            for _ in 0..if n / 20_000 % 2 == 0 { n % 2 } else { 2 } {
                let expected = model.pop_front();
                let found = queue.front().map(|(place, entry)| (place, entry.to_vec()));
                assert_eq!(found, expected);
                queue.pop();
            }
            for (place, entry) in [model.front(), model.get(model.len() / 2), model.back()].into_iter().flatten() {
                assert_eq!(queue.get(*place), entry);
            }
        }
        while queue.front().is_some() {
            queue.pop();
            model.pop_front();
        }
        assert!(model.is_empty() && queue.chunks.is_empty());
    }
}
