//! The explanation of one request, as text and as JSON.

use std::fmt::Write as _;

use countersign::{Rejection, UnixTime, Verified};
use countersign_explain::{Budget, Case, Diagnosis, diagnose};
use serde_json::{Value, json};

use crate::verdict;

/// The verdict, and the likely causes of a rejection.
pub(crate) struct Report {
    verdict: Verdict,
    /// What was found, and how much was tried; `None` if the request verifies.
    diagnosis: Option<(Diagnosis, Budget)>,
    looked_at: Vec<(&'static str, String)>,
    now: UnixTime,
}

impl Report {
    /// Explains the request if it is rejected.
    pub(crate) fn of(case: &Case, verdict: Result<Verified, Rejection>, now: UnixTime) -> Self {
        let verdict = Verdict::of(case, verdict);
        let is_verified = matches!(verdict, Verdict::Verified(_));
        let diagnosis = (!is_verified).then(|| {
            let budget = Budget::default();
            (diagnose(case, &budget), budget)
        });
        Self { verdict, diagnosis, looked_at: case.looked_at(), now }
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.diagnosis.is_none()
    }

    /// The whole report.
    pub(crate) fn to_text(&self) -> String {
        if let Verdict::Verified(verified) = &self.verdict {
            return verdict::describe(verified, self.now);
        }
        let mut text = format!("rejected: {}\n  {}\n\nrequest\n", self.verdict.reason(), self.verdict.detail());
        for (name, value) in &self.looked_at {
            let _ = writeln!(text, "  {name:<11} {value}");
        }
        if let Some((_, budget)) = &self.diagnosis {
            let (trials, percent) = (budget.trials(), budget.percent());
            let _ = writeln!(text, "  {:<11} {trials} signatures, {percent} % of the budget", "tried");
            if budget.is_cut() {
                text.push_str("  The search was stopped early: with a body of this size it would take too long.\n");
            }
        }
        text.push('\n');
        text.push_str(&self.causes());
        text
    }

    /// The likely causes alone; empty if the request verifies.
    pub(crate) fn causes(&self) -> String {
        let Some((diagnosis, _)) = &self.diagnosis else { return String::new() };
        let mut text = "likely causes\n".to_owned();
        for (number, finding) in (1..).zip(&diagnosis.findings) {
            let certainty = finding.certainty.as_str();
            let _ = writeln!(text, "{number:>2}. {certainty}: {} [{}]", finding.title, finding.code);
            let _ = writeln!(text, "    {}\n    -> {}", finding.evidence, finding.advice);
        }
        text
    }

    pub(crate) fn to_json(&self) -> Value {
        let (diagnosis, budget) = match (&self.verdict, &self.diagnosis) {
            (Verdict::Verified(verified), _) => return verdict::as_json(&Ok(verified.clone())),
            (_, None) => return Value::Null,
            (_, Some(diagnosis)) => diagnosis,
        };
        let looked_at: serde_json::Map<_, Value> =
            self.looked_at.iter().map(|(name, value)| (name.replace(' ', "_"), value.as_str().into())).collect();
        json!({
            "verdict": "rejected",
            "reason": self.verdict.reason(),
            "detail": self.verdict.detail(),
            "looked_at": looked_at,
            "trials": budget.trials(),
            "budget_percent": budget.percent(),
            "gave_up": budget.is_cut(),
            "findings": diagnosis.findings,
        })
    }
}

enum Verdict {
    Verified(Verified),
    Rejected(Rejection),
    /// None of the secrets is usable, which is part of the explanation.
    NoSecret,
}

impl Verdict {
    fn of(case: &Case, verdict: Result<Verified, Rejection>) -> Self {
        if !case.has_usable_key() {
            return Self::NoSecret;
        }
        verdict.map_or_else(Self::Rejected, Self::Verified)
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Verified(_) => "verified",
            Self::Rejected(rejection) => rejection.reason().as_str(),
            Self::NoSecret => "no_usable_secret",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Verified(_) => String::new(),
            Self::Rejected(rejection) => rejection.to_string(),
            Self::NoSecret => "none of the secrets is usable".into(),
        }
    }
}
