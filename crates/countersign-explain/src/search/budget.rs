//! How much a search may cost.

use std::cell::Cell;
use std::fmt;

/// After how many bytes it is asked again whether to stop.
const ASK_EVERY: u64 = 1 << 20;

/// Counts the signatures computed and the bytes processed, up to a limit.
///
/// It counts work, not time, so that the same request is explained in the same way on every machine.
pub struct Budget {
    trials: Cell<u64>,
    bytes: Cell<u64>,
    trial_limit: u64,
    byte_limit: u64,
    /// Whether something was left out to keep within the limit.
    is_cut: Cell<bool>,
    /// Asked from time to time whether to stop.
    stop: Option<Box<dyn Fn() -> bool + Send>>,
    /// How many bytes were processed when it was asked last.
    asked_at: Cell<u64>,
    is_stopped: Cell<bool>,
}

impl Budget {
    /// The default limit of signatures.
    const TRIALS: u64 = 1_000_000;
    /// The default limit of bytes, in units of a hashed byte: less than two seconds.
    const BYTES: u64 = 7 << 28;

    /// A budget of this many signatures.
    ///
    /// The default budget suffices for nearly every mistake in a body of 1 MiB. `docs/src/explain.md` lists the others.
    pub fn of(trial_limit: u64) -> Self {
        Self {
            trials: Cell::new(0),
            bytes: Cell::new(0),
            trial_limit,
            byte_limit: Self::BYTES,
            is_cut: Cell::new(false),
            stop: None,
            asked_at: Cell::new(0),
            is_stopped: Cell::new(false),
        }
    }

    /// The same, and the search ends soon after `stop` returns true. It is called every few milliseconds, for example to
    /// look at a clock.
    #[must_use]
    pub fn stopping_when(mut self, stop: impl Fn() -> bool + Send + 'static) -> Self {
        self.stop = Some(Box::new(stop));
        self
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
        let bytes = self.bytes.get().saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        self.bytes.set(bytes);
        if let Some(stop) = self.stop.as_ref().filter(|_| bytes - self.asked_at.get() >= ASK_EVERY) {
            self.asked_at.set(bytes);
            self.is_stopped.set(self.is_stopped.get() || stop());
        }
    }

    /// How many signatures were computed.
    pub fn trials(&self) -> u64 {
        self.trials.get()
    }

    /// How many bytes were processed, in units of a hashed byte, and how many may be.
    #[cfg(test)]
    pub(super) fn spent(&self) -> (u64, u64) {
        (self.bytes.get(), self.byte_limit)
    }

    /// How much of the budget was used, in percent.
    pub fn percent(&self) -> u64 {
        let of = |spent: u64, limit: u64| (u128::from(spent) * 100).div_ceil(u128::from(limit.max(1)));
        if self.is_stopped.get() {
            return 100;
        }
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
    pub fn is_cut(&self) -> bool {
        self.is_cut.get() || self.is_exhausted()
    }

    /// Whether the limit is reached.
    fn is_exhausted(&self) -> bool {
        self.is_stopped.get() || self.trials.get() >= self.trial_limit || self.bytes.get() >= self.byte_limit
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("trials", &self.trials).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(Self::TRIALS)
    }
}
