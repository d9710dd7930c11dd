//! Why a request was rejected: a search with the keys of its source, as JSON.

use bytes::Bytes;
use countersign::UnixTime;
use countersign::verifier::VerifierError;
use countersign_explain::{Budget, Capture, Case, Diagnosis, Setup, diagnose, diagnose_head};
use serde_json::{Value, json};

use crate::unverified::KeptUnverified;

/// How much of the body there is to search in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyState {
    /// All of it.
    Kept,
    /// None, because bodies are not kept, or because this one was too large.
    NotKept,
    /// None, because its head was rejected before the body was read.
    NotRead,
}

/// A request whose signature was rejected.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) unverified: KeptUnverified,
    pub(super) arrived: UnixTime,
    pub(super) body: BodyState,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Explained {
    /// The signature matches with the keys of the source as they are now.
    Matches,
    Searched {
        body: BodyState,
        looked_at: Vec<(&'static str, String)>,
        diagnosis: Diagnosis,
        budget: Budget,
    },
}

/// Searches for the mistake, until `stop` returns true or everything was tried.
pub(super) fn explain(
    rejected: Rejected,
    setup: &Setup,
    stop: impl Fn() -> bool + Send + 'static,
) -> Result<Explained, VerifierError> {
    let Rejected { unverified, arrived, body } = rejected;
    let bytes = unverified.body.unwrap_or_default();
    if body == BodyState::Kept && is_authentic(setup, &unverified.headers, &bytes, arrived)? {
        return Ok(Explained::Matches);
    }
    let case = Case::new(Capture::new(unverified.headers, bytes), setup, arrived)?;
    let budget = Budget::default().stopping_when(stop);
    let diagnosis = match body {
        BodyState::Kept => diagnose(&case, &budget),
        BodyState::NotKept | BodyState::NotRead => diagnose_head(&case),
    };
    let mut looked_at = case.looked_at();
    looked_at.retain(|(name, _)| body == BodyState::Kept || *name != "body");
    Ok(Explained::Searched { body, looked_at, diagnosis, budget })
}

fn is_authentic(
    setup: &Setup,
    headers: &http::HeaderMap,
    body: &Bytes,
    arrived: UnixTime,
) -> Result<bool, VerifierError> {
    let verdict = setup.verifier()?.begin(headers, arrived).and_then(|attempt| attempt.finish(body.clone()));
    Ok(verdict.is_ok())
}

impl BodyState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NotKept => "not_kept",
            Self::NotRead => "not_read",
        }
    }

    /// What is missing, and what to do.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::Kept => None,
            Self::NotKept => Some(
                "Only the headers were looked at, because the body is not kept. To search in bodies as well, set \
                 `inspect = { bodies = true }` in [server], and let the sender send the request again.",
            ),
            Self::NotRead => Some("Only the headers were looked at. They were rejected before the body was read."),
        }
    }
}

impl Explained {
    /// The explanation as the API shows it.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Matches => json!({
                "body": BodyState::Kept.as_str(),
                "advice": null,
                "findings": [{
                    "code": "keys_replaced",
                    "certainty": "certain",
                    "title": "the signature matches with the keys of the source as they are now",
                    "evidence": "The request was verified again with the secrets in their files and variables, and the \
                                 fetched keys.",
                    "advice": "The keys were replaced after this request. If later requests are rejected too, the gateway still \
                               uses the old ones: reload it (`POST /-/reload` or SIGHUP).",
                }],
                "looked_at": [],
                "trials": null,
                "budget_percent": null,
                "gave_up": false,
            }),
            Self::Searched { body, looked_at, diagnosis, budget } => {
                let searched = *body == BodyState::Kept;
                let looked_at: Vec<_> =
                    looked_at.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
                json!({
                    "body": body.as_str(),
                    "advice": body.advice(),
                    "findings": diagnosis.findings,
                    "looked_at": looked_at,
                    "trials": searched.then(|| budget.trials()),
                    "budget_percent": searched.then(|| budget.percent()),
                    "gave_up": searched && budget.is_cut(),
                })
            }
        }
    }
}
