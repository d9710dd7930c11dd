//! What there is to go by: the captured request, the secrets, the time, and what else may fit.

use std::rc::Rc;
use std::time::Duration;

use countersign::{Secret, UnixTime, Verifier};
use http::HeaderName;
use zeroize::Zeroizing;

use super::secret;
use crate::capture::Capture;
use crate::keys::Trust;
use crate::secrets::SecretText;

/// A request that is rejected, and everything that may say why.
pub(crate) struct Case {
    pub(crate) capture: Capture,
    pub(crate) now: UnixTime,
    pub(crate) now_is_given: bool,
    pub(crate) tolerance: Duration,
    pub(crate) secrets: Vec<SecretText>,
    pub(crate) trust: Trust,
    /// With all of these, as far as they can be used.
    pub(crate) verifier: Verifier,
    /// Tried, and not trusted.
    pub(crate) other_secrets: Vec<SecretText>,
    pub(crate) other_ids: Vec<String>,
    pub(crate) other_timestamps: Vec<UnixTime>,
}

/// A secret, and the bytes that conventions other than this one need.
pub(crate) struct Key {
    pub(crate) label: String,
    pub(crate) secret: Secret,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

impl Key {
    /// `None` if these are too few bytes for a secret.
    pub(crate) fn new(label: &str, bytes: Zeroizing<Vec<u8>>) -> Option<Rc<Self>> {
        let secret = Secret::from_bytes(&bytes).ok()?;
        Some(Rc::new(Self { label: label.into(), secret, bytes }))
    }
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

    /// The keys that may verify it: secrets that are sound and have not expired.
    pub(crate) fn keys(&self) -> Vec<Rc<Key>> {
        let live = self.secrets.iter().filter(|text| text.expires_at.is_none_or(|at| self.now < at));
        live.filter_map(secret::key).collect()
    }

    /// The body as text, if it is.
    pub(crate) fn body_text(&self) -> Option<&str> {
        str::from_utf8(&self.capture.body).ok()
    }
}
