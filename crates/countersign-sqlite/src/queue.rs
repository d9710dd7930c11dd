//! The bounded queue in front of a thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How much waits for the thread before new work is rejected.
const MAX_ITEMS: usize = 2048;
const MAX_BYTES: usize = 64 << 20;
/// Work that has to be done beyond that, such as confirmations. Each needs an earlier claim or lease.
const MAX_REQUIRED: usize = 65_536;

/// How much the thread takes at once.
const BATCH_ITEMS: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;

/// A bounded queue with one consumer.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    open: bool,
    /// Whether the consumer sleeps and nobody has woken it.
    sleeps: bool,
}

/// Why an item was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    NoRoom,
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, open: true, sleeps: false };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Adds an item with this size in bytes. A `required` item is rejected last.
    pub(crate) fn push(&self, item: T, bytes: usize, required: bool) -> Result<(), Rejected> {
        let mut state = self.lock();
        if !state.open {
            return Err(Rejected::Closed);
        }
        let has_room = state.items.len() < MAX_ITEMS && state.bytes < MAX_BYTES;
        if !has_room && (!required || state.items.len() >= MAX_REQUIRED) {
            return Err(Rejected::NoRoom);
        }
        state.items.push_back((item, bytes));
        state.bytes += bytes;
        let wakes = std::mem::take(&mut state.sleeps);
        drop(state);
        if wakes {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits for items and takes a batch. `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        let mut state = self.wait()?;
        let (mut batch, mut taken) = (Vec::new(), 0);
        while batch.len() < BATCH_ITEMS && taken < BATCH_BYTES {
            let Some((item, bytes)) = state.items.pop_front() else { break };
            taken += bytes;
            batch.push(item);
        }
        state.bytes = state.bytes.saturating_sub(taken);
        Some(batch)
    }

    /// Waits until there are items. `None` once the queue is closed and empty.
    fn wait(&self) -> Option<MutexGuard<'_, State<T>>> {
        let mut state = self.lock();
        let mut has_slept = false;
        while state.items.is_empty() {
            if !state.open {
                return None;
            }
            (state.sleeps, has_slept) = (true, true);
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if has_slept {
            // Threads that wait for this core may add more, and a batch costs nearly the same for one item as for ten.
            drop(state);
            thread::yield_now();
            state = self.lock();
        }
        Some(state)
    }

    /// Rejects all further items. Those in the queue can still be taken.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.arrived.notify_all();
    }

    /// Closes the queue and drops what is in it, so that nobody waits for it.
    pub(crate) fn abandon(&self) {
        self.close();
        let abandoned = std::mem::take(&mut self.lock().items);
        drop(abandoned);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_accepts_only_required_items() {
        let queue = Queue::new();
        for n in 0..MAX_ITEMS {
            assert_eq!(queue.push(n, 1, false), Ok(()));
        }
        assert_eq!(queue.push(0, 1, false), Err(Rejected::NoRoom));
        assert_eq!(queue.push(0, 1, true), Ok(()));
        assert_eq!(queue.take().map(|batch| batch.len()), Some(BATCH_ITEMS));
        assert_eq!(queue.push(0, MAX_BYTES, false), Ok(()));
        assert_eq!(queue.push(0, 1, false), Err(Rejected::NoRoom));
    }

    #[test]
    fn a_batch_ends_at_its_size() {
        let queue = Queue::new();
        for n in 0..3 {
            queue.push(n, BATCH_BYTES / 2, false).unwrap();
        }
        assert_eq!(queue.take(), Some(vec![0, 1]));
        assert_eq!(queue.take(), Some(vec![2]));
    }

    #[test]
    fn a_closed_queue_ends_once_it_is_empty() {
        let queue = Queue::new();
        queue.push(1, 0, false).unwrap();
        queue.close();
        assert_eq!(queue.push(2, 0, true), Err(Rejected::Closed));
        assert_eq!((queue.take(), queue.take()), (Some(vec![1]), None));
    }
}
