//! A request as it was received, and the keys that it was verified with.

use std::time::Duration;

use countersign::header::HeaderNames;
use countersign::{Rejection, UnixTime, Verified, Verifier};
use http::{Method, StatusCode};

use crate::capture::Capture;
use crate::explain::Case;
use crate::keys::Trust;
use crate::preset::as_standard;
use crate::secrets::SecretText;

/// What requests are verified with, and what else is tried to explain a rejection.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) verifier: Verifier,
    /// The same, under the header names of Standard Webhooks.
    pub(crate) standard: Verifier,
    /// The header names of the sender.
    pub(crate) names: HeaderNames,
    pub(crate) secrets: Vec<SecretText>,
    pub(crate) other_secrets: Vec<SecretText>,
    pub(crate) trust: Trust,
    pub(crate) tolerance: Duration,
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
    pub(super) fn case(&self, received: &Received) -> Case {
        Case {
            capture: Capture {
                headers: as_standard(received.capture.headers.clone(), self.names),
                body: received.capture.body.clone(),
            },
            now: received.arrived_at,
            now_is_given: true,
            tolerance: self.tolerance,
            secrets: self.secrets.clone(),
            trust: self.trust.clone(),
            verifier: self.standard.clone(),
            other_secrets: self.other_secrets.clone(),
            other_ids: Vec::new(),
            other_timestamps: Vec::new(),
        }
    }
}
