//! The cost of rejecting a request, computed before its body is read.

/// The maximum number of passes over a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// The secrets that are tried. Each needs one HMAC-SHA256 pass.
    pub(crate) secrets: usize,
    /// The pairs of an Ed25519 signature and a key. Each needs one SHA-512 pass and curve arithmetic.
    pub(crate) trials: usize,
}

/// The maximum number of pairs of an Ed25519 signature and a key. A `v1a` signature does not name its key, so each
/// signature may have to be tried with each key. The curve arithmetic takes 33 µs per pair, and up to 48 µs on a busy
/// machine. One signature can be tried with 16 keys, and the two signatures of a rotation with 8.
pub(crate) const MAX_TRIALS: usize = 16;

/// This number of HMAC-SHA256 passes is allowed for every body size.
const FREE_PASSES: usize = 4;
/// The cost of SHA-512 relative to HMAC-SHA256, per byte. Measured: 3.3 on a processor with SHA-256 instructions.
/// Without them, SHA-512 is the faster of the two.
const SHA512_PASSES: usize = 4;
/// The time limit beyond the free passes, in ns: 1 ms, minus the time to parse the longest headers.
const BUDGET: usize = 940_000;
/// The curve arithmetic of one pair, in ns. Measured: 33 µs.
const TRIAL: usize = 40_000;
/// One HMAC-SHA256 pass over 1 KiB, in ns. Measured: 520 ns, at 2 GB/s.
const PASS_OF_1_KIB: usize = 780;

impl Work {
    /// The largest body for which this work costs at most four times one HMAC-SHA256 over the body, plus 1 ms. `None` if
    /// there is no limit.
    pub(crate) const fn body_limit(self) -> Option<usize> {
        match (self.secrets + self.trials * SHA512_PASSES).checked_sub(FREE_PASSES) {
            None | Some(0) => None,
            Some(passes) => Some(BUDGET.saturating_sub(self.trials * TRIAL) * 1024 / PASS_OF_1_KIB / passes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_events_pass_whatever_is_tried_and_a_single_signature_passes_at_any_size() {
        let limit = |secrets, trials| Work { secrets, trials }.body_limit();
        for secrets in 0..=4 {
            assert_eq!(limit(secrets, 0), None);
        }
        assert_eq!(limit(0, 1), None);
        // A secret beside one key, and all the secrets that there may be: the default limit of a body is 1 MiB.
        assert!(limit(1, 1) > Some(1 << 20) && limit(8, 0) > Some(300 << 10));
        // One signature with the keys of a set, and two in a rotation.
        assert!(limit(0, 3) > Some(128 << 10) && limit(0, 16) > Some(6 << 10));
        assert!(limit(0, 6) > Some(44 << 10) && limit(0, 12) > Some(13 << 10));
        // The most that can be listed.
        assert!(limit(8, MAX_TRIALS) > Some(5 << 10));
        for trials in 1..MAX_TRIALS {
            assert!(limit(0, trials + 1).expect("a limit") < limit(0, trials).unwrap_or(usize::MAX));
        }
    }
}
