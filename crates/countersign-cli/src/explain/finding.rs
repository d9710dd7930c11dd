//! Known mistakes and findings.

use serde::Serialize;

/// A known mistake: its stable code, what it is, and what to do.
#[derive(Debug)]
pub(super) struct Explanation {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) advice: &'static str,
}

/// A likely cause of the rejection.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) certainty: Certainty,
    pub(crate) title: &'static str,
    pub(crate) evidence: String,
    pub(crate) advice: String,
}

/// How certain a finding is. Certain findings are listed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Certainty {
    /// Proved by a matching signature, or plainly visible.
    Certain,
    /// There is evidence for it.
    Likely,
    /// Nothing rules it out.
    Possible,
}

impl Certainty {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

impl Explanation {
    pub(super) fn certain(&self, evidence: impl Into<String>) -> Finding {
        self.finding(Certainty::Certain, evidence.into())
    }

    pub(super) fn likely(&self, evidence: impl Into<String>) -> Finding {
        self.finding(Certainty::Likely, evidence.into())
    }

    pub(super) fn possible(&self, evidence: impl Into<String>) -> Finding {
        self.finding(Certainty::Possible, evidence.into())
    }

    fn finding(&self, certainty: Certainty, evidence: String) -> Finding {
        Finding { code: self.code, certainty, title: self.title, evidence, advice: self.advice.into() }
    }
}
