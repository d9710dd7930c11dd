//! Limits the number of open connections, and tells connections when they must make room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// The state of the listener, which all its connections observe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// At most three quarters of the connections are in use.
    Open,
    /// More than three quarters of the connections are in use. Those without a request are closed sooner.
    Crowded,
    /// The next request of each connection is its last, and connections without a request wait for one.
    Draining,
    /// The process is stopping.
    Stopping,
}

impl Phase {
    /// Whether a connection should be closed after the current request.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::Draining | Self::Stopping)
    }
}

/// A limit on the connections of a listener.
#[derive(Debug)]
pub struct Slots {
    max: usize,
    open: AtomicUsize,
    phase: watch::Sender<Phase>,
}

impl Slots {
    /// Creates a limit of this many connections.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: AtomicUsize::new(0), phase: watch::Sender::new(Phase::Open) })
    }

    /// The maximum number of open connections.
    pub fn max(&self) -> usize {
        self.max
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a place for one more connection, if there is one. Dropping the slot frees it.
    pub fn take(self: &Arc<Self>) -> Option<Slot> {
        let fits = |open: usize| (open < self.max).then_some(open + 1);
        let before = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        // The last place always counts as crowded, for limits below four.
        if before + 1 > self.max - self.max / 4 || before + 1 == self.max {
            self.turn(Phase::Open, Phase::Crowded);
        }
        Some(Slot(Arc::clone(self)))
    }

    /// Tells all connections that the next request is the last.
    pub fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Tells all connections that the process is stopping.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
    }

    /// Observes the phase.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    fn turn(&self, from: Phase, to: Phase) {
        if *self.phase.borrow() == from {
            self.phase.send_if_modified(|phase| {
                let turns = *phase == from;
                if turns {
                    *phase = to;
                }
                turns
            });
        }
    }
}

/// The place of one connection.
#[derive(Debug)]
#[must_use = "the place is free when this is dropped"]
pub struct Slot(Arc<Slots>);

impl Slot {
    /// Observes the phase.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.0.watch()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Slots { max, open, .. } = &*self.0;
        let left = open.fetch_sub(1, Ordering::Relaxed) - 1;
        // Lower than the threshold for crowded, so that the phase does not change with every connection.
        if left <= max - max / 4 - max / 8 {
            self.0.turn(Phase::Crowded, Phase::Open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_a_crowd_however_few_there_are() {
        for max in 1..8 {
            let slots = Slots::new(max);
            let taken: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
            assert_eq!((taken.len(), *slots.phase.borrow()), (max, Phase::Crowded));
            drop(taken);
            assert_eq!(*slots.phase.borrow(), Phase::Open);
        }
    }

    #[test]
    fn there_is_room_for_so_many_and_three_quarters_is_a_crowd() {
        let slots = Slots::new(8);
        let phase = || *slots.phase.borrow();
        let mut taken: Vec<_> = (0..6).map(|_| slots.take().unwrap()).collect();
        assert_eq!((slots.open(), phase()), (6, Phase::Open));
        taken.push(slots.take().unwrap());
        assert_eq!(phase(), Phase::Crowded);
        taken.push(slots.take().unwrap());
        assert!(slots.take().is_none() && slots.open() == 8);
        taken.truncate(6);
        assert_eq!((slots.open(), phase()), (6, Phase::Crowded));
        taken.truncate(5);
        assert_eq!(phase(), Phase::Open);
        slots.stop();
        taken.extend(std::iter::from_fn(|| slots.take()));
        taken.clear();
        assert_eq!((slots.open(), phase()), (0, Phase::Stopping));
    }
}
