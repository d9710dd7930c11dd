//! What is looked for, and what was found.

use serde::Serialize;

use super::trial::Change;

/// Something that goes wrong: its stable code, what it is, and what to do.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) advice: &'static str,
}

/// One thing to undo before the signature is tried again.
#[derive(Debug)]
pub(super) struct Repair {
    pub(super) looks: &'static Looks,
    /// Completes "the signature matches once …".
    pub(super) once: String,
    pub(super) change: Change,
}

/// What the request looks like.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) certainty: Certainty,
    pub(crate) title: &'static str,
    pub(crate) evidence: String,
    pub(crate) advice: String,
}

/// How sure it is; what is certain is listed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Certainty {
    /// Proved by trying, or plain to see.
    Certain,
    /// Something speaks for it.
    Likely,
    /// Nothing speaks against it.
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

impl Looks {
    pub(super) fn repair(&'static self, once: impl Into<String>, change: Change) -> Repair {
        Repair { looks: self, once: once.into(), change }
    }

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
