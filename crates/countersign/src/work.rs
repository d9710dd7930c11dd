//! What it costs to reject a request, counted before its body is read.

/// How often a body is gone through at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Secrets whose HMAC-SHA256 is computed: a pass over the body each.
    pub(crate) secrets: usize,
    /// Pairs of an Ed25519 signature and a key: a pass of SHA-512 each, and arithmetic on the curve.
    pub(crate) trials: usize,
}

/// The most pairs of an Ed25519 signature and a key that are tried. A `v1a` signature names no key, so each may
/// have to be tried with each; the arithmetic alone takes 33 µs a pair, whatever the body, and up to 48 µs on a
/// busy machine. It lets one signature meet 16 keys, and the two of a rotation 8.
pub(crate) const MAX_TRIALS: usize = 16;

/// This many passes of HMAC-SHA256 are free, however large the body.
const FREE_PASSES: usize = 4;
/// What SHA-512 costs more than HMAC-SHA256, byte for byte: measured 3.3 times where the processor has
/// instructions for SHA-256. Where it has none, SHA-512 is the faster of the two.
const SHA512_PASSES: usize = 4;
/// What may be spent beyond the free passes, in ns: 1 ms, less what reading the longest head takes.
const BUDGET: usize = 940_000;
/// What the arithmetic of one trial costs, in ns: measured 33 µs.
const TRIAL: usize = 40_000;
/// What a pass of HMAC-SHA256 over 1 KiB costs, in ns: measured 520, at 2 GB/s.
const PASS_OF_1_KIB: usize = 780;

impl Work {
    /// The largest body for which this work costs at most four times one HMAC-SHA256 over the same body, and
    /// 1 ms; `None` where it does so for every body.
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
