//! How often a destination is tried while it keeps failing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// From so many failures in a row on, one delivery at a time tries the destination.
const THRESHOLD: u32 = 10;
/// The longest pause between two of them.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The failures of a destination since its last success.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: AtomicU32,
    /// Those of them that tried the destination alone.
    probes: AtomicU32,
}

impl Circuit {
    /// The pause before a single delivery tries the destination. `None` if it does not keep failing.
    pub(super) fn pause(&self) -> Option<Duration> {
        pause(self.failures.load(Ordering::Relaxed), self.probes.load(Ordering::Relaxed))
    }

    /// Whether the destination is tried by one delivery at a time.
    pub(super) fn is_open(&self) -> bool {
        self.pause().is_some()
    }

    /// Records an attempt. It was a probe if a pause preceded it.
    pub(super) fn record(&self, is_success: bool, is_probe: bool) {
        if is_success {
            self.failures.store(0, Ordering::Relaxed);
            self.probes.store(0, Ordering::Relaxed);
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.probes.fetch_add(u32::from(is_probe), Ordering::Relaxed);
        }
    }
}

fn pause(failures: u32, probes: u32) -> Option<Duration> {
    (failures >= THRESHOLD).then(|| Duration::from_secs(1 << probes.min(6)).min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_that_keeps_failing_is_tried_less_and_less_often() {
        let secs = |failures, probes| pause(failures, probes).map(|pause| pause.as_secs());
        assert_eq!([secs(0, 0), secs(9, 0)], [None, None]);
        assert_eq!([10, 100].map(|failures| secs(failures, 0)), [Some(1), Some(1)]);
        assert_eq!([1, 5, 6, u32::MAX].map(|probes| secs(20, probes)), [Some(2), Some(32), Some(60), Some(60)]);
    }

    #[test]
    fn a_success_ends_the_pauses() {
        let circuit = Circuit::default();
        for n in 0..THRESHOLD {
            assert_eq!(circuit.pause(), None, "{n}");
            circuit.record(false, false);
        }
        circuit.record(false, true);
        assert_eq!(circuit.pause(), Some(Duration::from_secs(2)));
        circuit.record(true, true);
        assert_eq!(circuit.pause(), None);
    }
}
