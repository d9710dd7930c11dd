//! What a figure is held to.

use std::fmt;

use crate::spread::Spread;

/// What a figure is held to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// It should not be larger than this.
    AtMost(f64),
    /// It should not be smaller than this.
    AtLeast(f64),
}

impl Target {
    /// `PASS` if the median reaches the target, `SHORT` if not.
    pub fn verdict(self, measured: Spread) -> &'static str {
        let reached = match self {
            Self::AtMost(limit) => measured.median <= limit,
            Self::AtLeast(limit) => measured.median >= limit,
        };
        if reached { "PASS" } else { "SHORT" }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "at most {limit}"),
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
        }
    }
}
