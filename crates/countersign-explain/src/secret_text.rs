//! The texts of secrets. They have labels, and are never printed.

use std::fmt;

use countersign::secret::{self, SecretError};
use countersign::{Secret, UnixTime};
use countersign_senders::{Key, SecretForm};
use zeroize::Zeroizing;

use crate::capture::encoding;

/// What editors on Windows put in front of text.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a secret, as given: it may be invalid. `Debug` shows its label only.
#[derive(Clone)]
pub struct SecretText {
    /// Names it in findings.
    pub label: String,
    /// The secret.
    pub text: Zeroizing<String>,
    /// When it expires.
    pub expires_at: Option<UnixTime>,
}

impl SecretText {
    /// A secret that does not expire.
    pub fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: Zeroizing::new(text.into()), expires_at: None }
    }

    /// The secret in a file, without the newline at its end. `None` if the file is not text.
    pub fn of_file(label: impl Into<String>, bytes: &[u8]) -> Option<Self> {
        let text = encoding::decode(bytes).ok().map(|text| Zeroizing::new(text.into_owned()))?;
        // What is not plain UTF-8 keeps a byte order mark, so that it is named.
        let is_plain = str::from_utf8(bytes).is_ok_and(|plain| plain == *text);
        let mark = if is_plain { "" } else { "\u{feff}" };
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        Some(Self::new(label, format!("{mark}{line}")))
    }

    /// The same, where the sender writes its secrets in this form.
    #[must_use]
    pub fn in_form(mut self, form: SecretForm) -> Self {
        self.text = match form.read(&self.text) {
            Key::Bytes(key) => Zeroizing::new(secret::encode(key).to_string()),
            Key::Encoded(text) => Zeroizing::new(text.into()),
        };
        self
    }

    /// The secret, if it is usable.
    pub fn read(&self) -> Result<Secret, SecretTextError> {
        if self.text.starts_with(BYTE_ORDER_MARK) {
            return Err(SecretTextError::ByteOrderMark { label: self.label.clone() });
        }
        let fail = |error| SecretTextError::Invalid { label: self.label.clone(), error };
        let secret = Secret::parse(&self.text).map_err(fail)?.labelled(&self.label);
        Ok(match self.expires_at {
            Some(at) => secret.expiring_at(at),
            None => secret,
        })
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretText").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Why a secret is not usable. The message does not contain it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretTextError {
    /// It begins with a byte order mark.
    #[error("the secret `{label}`: the file begins with a byte order mark, or is UTF-16: save it as UTF-8 without BOM")]
    ByteOrderMark {
        /// The label of the secret.
        label: String,
    },
    /// It is not a secret.
    #[error("the secret `{label}` cannot be used: {error}")]
    Invalid {
        /// The label of the secret.
        label: String,
        /// What is wrong.
        error: SecretError,
    },
}
