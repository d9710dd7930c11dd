//! How the receiver verifies.

use std::time::Duration;

use countersign::Verifier;
use countersign::header::HeaderNames;
use countersign::verifier::{DEFAULT_TOLERANCE, VerifierError};

use crate::secret_text::SecretText;
use crate::trust::Trust;

/// The secrets, keys and settings that a receiver verifies with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The secrets as configured. They may be unusable, which is a mistake that can be found.
    pub secrets: Vec<SecretText>,
    /// The public keys, and the policy for tokens.
    pub trust: Trust,
    /// The header names of the sender. Default: those of Standard Webhooks.
    pub names: HeaderNames,
    /// How far the timestamp of a request may be off. Default: 5 minutes.
    pub tolerance: Duration,
}

impl Setup {
    /// A verifier with all secrets and keys that are usable.
    pub fn verifier(&self) -> Result<Verifier, VerifierError> {
        self.verifier_for(self.names)
    }

    pub(crate) fn verifier_for(&self, names: HeaderNames) -> Result<Verifier, VerifierError> {
        let usable = self.secrets.iter().filter_map(|text| text.read().ok());
        self.trust.verifier(usable, self.tolerance, names)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self { secrets: Vec::new(), trust: Trust::default(), names: HeaderNames::Webhook, tolerance: DEFAULT_TOLERANCE }
    }
}
