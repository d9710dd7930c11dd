//! Known mistakes and findings.

use serde::Serialize;

/// A known mistake: its stable code, what it is, and what to do.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) advice: &'static str,
}

/// A likely cause of the rejection.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its stable name.
    pub code: &'static str,
    /// How certain it is.
    pub certainty: Certainty,
    /// What the mistake is.
    pub title: &'static str,
    /// What proves it, or suggests it. It contains no secret.
    pub evidence: String,
    /// What to do.
    pub advice: String,
}

/// How certain a finding is. Certain findings are listed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Proved by a matching signature, or plainly visible.
    Certain,
    /// There is evidence for it.
    Likely,
    /// Nothing rules it out.
    Possible,
}

impl Certainty {
    /// Its name: `certain`, `likely` or `possible`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

impl Explanation {
    pub(crate) fn certain(&self, evidence: impl Into<String>) -> Finding {
        self.finding(Certainty::Certain, evidence.into())
    }

    pub(crate) fn likely(&self, evidence: impl Into<String>) -> Finding {
        self.finding(Certainty::Likely, evidence.into())
    }

    pub(crate) fn possible(&self, evidence: impl Into<String>) -> Finding {
        self.finding(Certainty::Possible, evidence.into())
    }

    fn finding(&self, certainty: Certainty, evidence: String) -> Finding {
        Finding { code: self.code, certainty, title: self.title, evidence, advice: self.advice.into() }
    }
}
