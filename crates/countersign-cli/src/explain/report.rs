//! The explanation of one request, as text and as JSON.

use std::fmt::Write as _;

use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{MessageId, Rejection, UnixTime, Verified};
use serde_json::{Value, json};

use super::case::Case;
use super::diagnosis::{Diagnosis, diagnose};
use super::search::Budget;
use super::token::Token;
use crate::output::shown;
use crate::secrets::SecretText;
use crate::{time, verdict};

/// The verdict, and the likely causes of a rejection.
pub(crate) struct Report {
    verdict: Verdict,
    /// `None` if the request verifies.
    diagnosis: Option<Diagnosis>,
}

impl Report {
    /// Explains the request if it is rejected.
    pub(crate) fn of(case: &Case, verdict: Result<Verified, Rejection>) -> Self {
        let verdict = Verdict::of(case, verdict);
        let is_verified = matches!(verdict, Verdict::Verified(_));
        Self { verdict, diagnosis: (!is_verified).then(|| diagnose(case, Budget::default())) }
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.diagnosis.is_none()
    }

    /// The whole report.
    pub(crate) fn to_text(&self, case: &Case) -> String {
        if let Verdict::Verified(verified) = &self.verdict {
            return verdict::describe(verified, case.now);
        }
        let mut text = format!("rejected: {}\n  {}\n\nrequest\n", self.verdict.reason(), self.verdict.detail());
        for (name, value) in looked_at(case) {
            let _ = writeln!(text, "  {name:<11} {value}");
        }
        if let Some(Diagnosis { budget, .. }) = &self.diagnosis {
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
        let Some(diagnosis) = &self.diagnosis else { return String::new() };
        let mut text = "likely causes\n".to_owned();
        for (number, finding) in (1..).zip(&diagnosis.findings) {
            let certainty = finding.certainty.as_str();
            let _ = writeln!(text, "{number:>2}. {certainty}: {} [{}]", finding.title, finding.code);
            let _ = writeln!(text, "    {}\n    -> {}", finding.evidence, finding.advice);
        }
        text
    }

    pub(crate) fn to_json(&self, case: &Case) -> Value {
        let diagnosis = match (&self.verdict, &self.diagnosis) {
            (Verdict::Verified(verified), _) => return verdict::as_json(&Ok(verified.clone())),
            (_, None) => return Value::Null,
            (_, Some(diagnosis)) => diagnosis,
        };
        let looked_at: serde_json::Map<_, Value> =
            looked_at(case).into_iter().map(|(name, value)| (name.replace(' ', "_"), value.into())).collect();
        json!({
            "verdict": "rejected",
            "reason": self.verdict.reason(),
            "detail": self.verdict.detail(),
            "looked_at": looked_at,
            "trials": diagnosis.budget.trials(),
            "budget_percent": diagnosis.budget.percent(),
            "gave_up": diagnosis.budget.is_cut(),
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
        if !case.trust.is_given() && case.secrets.iter().all(|text| text.read().is_err()) {
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

fn looked_at(case: &Case) -> Vec<(&'static str, String)> {
    let present = |name, describe: &dyn Fn(&str) -> String| {
        let is_there = case.capture.headers.contains_key(name);
        if is_there { describe(&case.header(name)) } else { "missing".into() }
    };
    let id = |text: &str| match MessageId::parse(text) {
        Ok(id) => id.to_string(),
        Err(_) => format!("`{}`, which is not a valid id", shown(text)),
    };
    let timestamp = |text: &str| match text.parse() {
        Ok(secs) => time::described(secs, case.now),
        Err(_) => format!("`{}`, which is not a number", shown(text)),
    };
    let body = &case.capture.body;
    let kind = match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => "JSON",
        Err(_) if str::from_utf8(body).is_ok() => "text, not JSON",
        Err(_) => "not UTF-8",
    };
    let secrets = case.secrets.iter().map(|secret| describe_secret(secret, case.now));
    let labels = |scheme| case.trust.labels(scheme).map(move |label| format!("`{}` ({scheme})", shown(label)));
    let mut looked_at = vec![
        ("message id", present(&WEBHOOK_ID, &id)),
        ("timestamp", present(&WEBHOOK_TIMESTAMP, &timestamp)),
        ("signatures", present(&WEBHOOK_SIGNATURE, &signatures)),
        ("body", format!("{} bytes, {kind}", body.len())),
        ("secrets", secrets.collect::<Vec<_>>().join(", ")),
        ("public keys", labels("v1a").chain(labels("rs256")).collect::<Vec<_>>().join(", ")),
        ("audience", shown(&case.trust.audience.join(", "))),
    ];
    looked_at.retain(|(_, value)| !value.is_empty());
    looked_at
}

fn signatures(header: &str) -> String {
    if let Some(token) = Token::read(header) {
        return token.summary();
    }
    let words: Vec<_> = header.split(' ').filter(|word| !word.is_empty()).collect();
    let forms = words.iter().map(|word| match word.split_once(',') {
        Some((version, encoded)) => format!("{} with {} characters", shown(version), encoded.len()),
        None => format!("{} characters without a version", word.len()),
    });
    format!("{}: {}", words.len(), forms.take(4).collect::<Vec<_>>().join("; "))
}

fn describe_secret(secret: &SecretText, now: UnixTime) -> String {
    let state = match secret.read() {
        Err(_) => " (unusable)",
        Ok(_) if secret.expires_at.is_some_and(|at| at <= now) => " (expired)",
        Ok(_) => "",
    };
    format!("`{}`{state}", secret.label)
}
