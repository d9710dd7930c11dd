//! The evidence: the captured request, the secrets, the time, and further values to try.

use std::time::Duration;

use countersign::header::{HeaderNames, SVIX_HEADERS, WEBHOOK_HEADERS};
use countersign::verifier::VerifierError;
use countersign::{UnixTime, Verifier};
use countersign_senders::renamed;
use http::{HeaderMap, HeaderName};

use crate::capture::Capture;
use crate::secret_text::SecretText;
use crate::setup::Setup;
use crate::trust::Trust;

/// A rejected request, and everything that may explain the rejection.
#[derive(Clone, Debug)]
pub struct Case {
    /// With the header names of Standard Webhooks, whatever those of the sender are.
    pub(crate) capture: Capture,
    pub(crate) now: UnixTime,
    pub(crate) now_is_given: bool,
    pub(crate) tolerance: Duration,
    pub(crate) secrets: Vec<SecretText>,
    pub(crate) trust: Trust,
    /// Verifies with all of these that are usable, under the names of Standard Webhooks.
    pub(crate) verifier: Verifier,
    /// Tried, but not trusted.
    pub(crate) other_secrets: Vec<SecretText>,
    pub(crate) other_ids: Vec<String>,
    pub(crate) other_timestamps: Vec<UnixTime>,
}

impl Case {
    /// A request that arrived at this time, and the receiver's setup.
    pub fn new(capture: Capture, setup: &Setup, now: UnixTime) -> Result<Self, VerifierError> {
        Ok(Self {
            verifier: setup.verifier_for(HeaderNames::Webhook)?,
            capture: Capture { headers: as_standard(capture.headers, setup.names), ..capture },
            now,
            now_is_given: true,
            tolerance: setup.tolerance,
            secrets: setup.secrets.clone(),
            trust: setup.trust.clone(),
            other_secrets: Vec::new(),
            other_ids: Vec::new(),
            other_timestamps: Vec::new(),
        })
    }

    /// Says that the time is not the time of arrival, but the current time: then a request may be an old capture.
    #[must_use]
    pub fn looked_at_later(mut self) -> Self {
        self.now_is_given = false;
        self
    }

    /// Further secrets that may have been used. They are tried, but not trusted.
    #[must_use]
    pub fn other_secrets(mut self, secrets: Vec<SecretText>) -> Self {
        self.other_secrets = secrets;
        self
    }

    /// The ids of other deliveries, which may have been mixed up with this one.
    #[must_use]
    pub fn other_ids(mut self, ids: Vec<String>) -> Self {
        self.other_ids = ids;
        self
    }

    /// The timestamps of other deliveries, which may have been mixed up with this one.
    #[must_use]
    pub fn other_timestamps(mut self, timestamps: Vec<UnixTime>) -> Self {
        self.other_timestamps = timestamps;
        self
    }

    /// Whether there is a usable secret, a public key or a key set.
    pub fn has_usable_key(&self) -> bool {
        self.trust.is_given() || self.secrets.iter().any(|text| text.read().is_ok())
    }

    /// The values of this header as text, joined by commas as HTTP does; empty if it is missing.
    pub(crate) fn header(&self, name: &HeaderName) -> String {
        self.values(name).join(", ")
    }

    pub(crate) fn values(&self, name: &HeaderName) -> Vec<String> {
        let values = self.capture.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// The body, if it is UTF-8.
    pub(crate) fn body_text(&self) -> Option<&str> {
        str::from_utf8(&self.capture.body).ok()
    }
}

/// The headers with the names of Standard Webhooks.
fn as_standard(headers: HeaderMap, names: HeaderNames) -> HeaderMap {
    let is_ambiguous = headers.contains_key(&WEBHOOK_HEADERS.id) && headers.contains_key(&SVIX_HEADERS.id);
    match names {
        HeaderNames::Webhook => headers,
        HeaderNames::Either if is_ambiguous => headers,
        _ => renamed(headers, &SVIX_HEADERS, &WEBHOOK_HEADERS),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_are_renamed_there_and_back() {
        let mut headers = HeaderMap::new();
        for (name, value) in WEBHOOK_HEADERS.names().into_iter().zip(["a", "b", "c"]) {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert("x-own", HeaderValue::from_static("d"));
        let svix = renamed(headers.clone(), &WEBHOOK_HEADERS, &SVIX_HEADERS);
        assert_eq!((svix.len(), &svix["svix-signature"]), (4, &HeaderValue::from_static("c")));
        assert_eq!(as_standard(svix.clone(), HeaderNames::Either), headers);
        assert_eq!(as_standard(svix.clone(), HeaderNames::Svix), headers);
        assert_eq!(as_standard(svix.clone(), HeaderNames::Webhook), svix);
        assert_eq!(as_standard(headers.clone(), HeaderNames::Svix), headers);
    }
}
