//! How much a search may cost.

use std::cell::Cell;

/// Counts the signatures computed and the bytes processed, up to a limit.
///
/// It counts work, not time, so that the same request is explained in the same way on every machine.
#[derive(Debug)]
pub(crate) struct Budget {
    trials: Cell<u64>,
    bytes: Cell<u64>,
    trial_limit: u64,
    byte_limit: u64,
    /// Whether something was left out to keep within the limit.
    is_cut: Cell<bool>,
}

impl Budget {
    /// The default limit of signatures.
    const TRIALS: u64 = 1_000_000;
    /// The default limit of bytes, in units of a hashed byte: about one second.
    const BYTES: u64 = 1 << 30;

    /// A budget of this many signatures.
    pub(crate) fn of(trial_limit: u64) -> Self {
        Self {
            trials: Cell::new(0),
            bytes: Cell::new(0),
            trial_limit,
            byte_limit: Self::BYTES,
            is_cut: Cell::new(false),
        }
    }

    /// Spends the cost of a signature over `len` bytes; `false` if the limit is reached.
    pub(super) fn spend_trial(&self, len: usize) -> bool {
        let is_affordable = !self.is_exhausted();
        if is_affordable {
            self.trials.set(self.trials.get() + 1);
            self.spend(len);
        }
        is_affordable
    }

    /// Spends the cost of processing `len` bytes.
    pub(super) fn spend(&self, len: usize) {
        self.bytes.set(self.bytes.get().saturating_add(u64::try_from(len).unwrap_or(u64::MAX)));
    }

    /// How many signatures were computed.
    pub(crate) fn trials(&self) -> u64 {
        self.trials.get()
    }

    /// How many bytes were processed, in units of a hashed byte, and how many may be.
    #[cfg(test)]
    pub(super) fn spent(&self) -> (u64, u64) {
        (self.bytes.get(), self.byte_limit)
    }

    /// How much of the budget was used, in percent.
    pub(crate) fn percent(&self) -> u64 {
        let of = |spent: u64, limit: u64| (u128::from(spent) * 100).div_ceil(u128::from(limit.max(1)));
        let used = of(self.trials.get(), self.trial_limit).max(of(self.bytes.get(), self.byte_limit));
        u64::try_from(used.min(100)).unwrap_or(100)
    }

    /// Whether this part of the budget is used up, in percent. If it is, the search leaves something out.
    pub(super) fn is_used(&self, percent: u64) -> bool {
        let is_used = self.percent() >= percent;
        self.is_cut.set(self.is_cut.get() || is_used);
        is_used
    }

    /// Whether the search was stopped early.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.get() || self.is_exhausted()
    }

    /// Whether the limit is reached.
    fn is_exhausted(&self) -> bool {
        self.trials.get() >= self.trial_limit || self.bytes.get() >= self.byte_limit
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(Self::TRIALS)
    }
}
