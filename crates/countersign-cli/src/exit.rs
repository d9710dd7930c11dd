//! The exit codes, which scripts may rely on.

use std::process::ExitCode;

/// How a run ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: verified, or done.
    Done,
    /// 1: rejected, or a response other than 2xx.
    Rejected,
}

/// 2: invalid arguments or unreadable files.
pub(crate) const USAGE: u8 = 2;

/// The text about them in `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  verified; `sign`, `secret`, `completions`, `man`: done; `jwks`: a key is usable;
     `send`, `bench`: every response was 2xx; `emulate`, `listen`: stopped by a signal;
     `forget`, `inbox`: the gateway has done it; `reconcile`: nothing is missing;
     `store`: the file is sound
  1  rejected; `send`, `bench`: a response was missing or not 2xx; `jwks`: no key is usable;
     `forget`, `inbox`: the gateway did not do it; `reconcile`: a job is missing, or the API
     or the gateway did not respond; `store`: the file is damaged or in use
  2  invalid arguments or unreadable files";

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Rejected => Self::FAILURE,
        }
    }
}
