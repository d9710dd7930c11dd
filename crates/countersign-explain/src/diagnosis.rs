//! The diagnosis: what was proved, what is visible, and what remains possible.

use crate::case::Case;
use crate::finding::{Certainty, Finding};
use crate::search::{self, Budget, Found};
use crate::{clock, head, hints, scheme, secret, token};

/// The observations, most likely first.
const OBSERVATIONS: &[fn(&Case) -> Option<Finding>] = &[
    scheme::v1a,
    scheme::v1,
    token::delivery,
    scheme::other_sender,
    scheme::unknown_version,
    secret::not_a_secret,
    clock::milliseconds,
    clock::too_new,
    clock::too_old,
    head::missing,
];

/// The findings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Most likely first.
    pub findings: Vec<Finding>,
}

/// Finds likely causes of a rejection. `budget` says afterwards how much was tried.
pub fn diagnose(case: &Case, budget: &Budget) -> Diagnosis {
    let found = search::search(case, budget);
    let is_matching = !matches!(found, Found::Nothing);
    let mut findings = match found {
        Found::Proved(findings) => findings,
        Found::Authentic | Found::Nothing => Vec::new(),
    };
    let is_proved = !findings.is_empty();
    let observed = OBSERVATIONS.iter().filter_map(|observe| observe(case));
    findings.extend(observed.filter(|finding| !(is_proved && is_superseded(finding))));
    if !is_matching {
        findings.extend(hints::visible(case));
    }
    if findings.iter().all(|finding| finding.certainty != Certainty::Certain) {
        findings.extend(hints::remaining(case));
    }
    findings.sort_by_key(|finding| finding.certainty);
    Diagnosis { findings }
}

/// Finds what is visible without the body: in the headers, the time and the keys. For a request whose body was not kept.
pub fn diagnose_head(case: &Case) -> Diagnosis {
    let mut findings: Vec<_> = OBSERVATIONS.iter().filter_map(|observe| observe(case)).collect();
    findings.sort_by_key(|finding| finding.certainty);
    Diagnosis { findings }
}

/// Whether a proof says more than this observation.
fn is_superseded(finding: &Finding) -> bool {
    finding.certainty != Certainty::Certain && (secret::is_about_a_secret(finding) || head::is_missing(finding))
}
