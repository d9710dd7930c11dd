//! The exit codes, which scripts may rely on.

use std::process::ExitCode;

/// How a run ended that could do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: it verified, or it was done.
    Done,
    /// 1: it was rejected, or it was not answered with 2xx.
    Rejected,
}

/// 2: the arguments or the files that they name are of no use.
pub(crate) const USAGE: u8 = 2;

/// What `--help` says of them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  verified; `sign`, `secret`, `jwks`: done; `emulate`: ended as asked; `send`: every answer was 2xx
  1  rejected; `send`: an answer was not 2xx, or there was none; `jwks`: no key can be used
  2  the arguments, or the files that they name, are of no use";

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Rejected => Self::FAILURE,
        }
    }
}
