//! A request as it was received, and the keys that it was verified with.

use countersign::verifier::VerifierError;
use countersign::{Rejection, UnixTime, Verified, Verifier};
use countersign_explain::{Capture, Case, SecretText, Setup};
use http::{Method, StatusCode};

/// What requests are verified with, and what else is tried to explain a rejection.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) verifier: Verifier,
    pub(crate) setup: Setup,
    pub(crate) other_secrets: Vec<SecretText>,
}

/// A received request.
pub(crate) struct Received {
    pub(super) method: Method,
    /// The path, and the query.
    pub(super) path: String,
    pub(super) arrived_at: UnixTime,
    pub(super) capture: Capture,
    pub(super) result: Result<Verified, Problem>,
    /// What the upstream responded; `None` if the request was not forwarded.
    pub(super) forwarded: Option<Result<StatusCode, String>>,
    /// What the sender got.
    pub(super) status: StatusCode,
}

/// Why a request was not accepted.
#[derive(Clone, Debug)]
pub(crate) enum Problem {
    /// It was not verified, because it cannot be a webhook.
    NotAWebhook { code: &'static str, detail: String },
    /// It was rejected.
    Rejected(Rejection),
}

impl Problem {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NotAWebhook { code, .. } => code,
            Self::Rejected(rejection) => rejection.reason().as_str(),
        }
    }

    pub(super) fn detail(&self) -> String {
        match self {
            Self::NotAWebhook { detail, .. } => detail.clone(),
            Self::Rejected(rejection) => rejection.to_string(),
        }
    }
}

impl Keys {
    /// The evidence of a request that was rejected.
    pub(super) fn case(&self, received: &Received) -> Result<Case, VerifierError> {
        let case = Case::new(received.capture.clone(), &self.setup, received.arrived_at)?;
        Ok(case.other_secrets(self.other_secrets.clone()))
    }
}
