//! The evidence: the captured request, the secrets, the time, and further values to try.

use std::time::Duration;

use countersign::{UnixTime, Verifier};
use http::HeaderName;

use crate::capture::Capture;
use crate::keys::Trust;
use crate::secrets::SecretText;

/// A rejected request, and everything that may explain the rejection.
pub(crate) struct Case {
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
