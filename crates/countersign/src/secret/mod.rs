//! Signing secrets. They are parsed strictly, may have a label and an expiry time, and are never shown.

mod doubt;

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use zeroize::Zeroizing;

pub use doubt::Doubt;

use crate::clock::UnixTime;
use crate::crypto::MacKey;
use crate::encoding::{STANDARD, decode_base64};

const PREFIX: &str = "whsec_";

/// The minimum length of a secret, in bytes.
pub const MIN_LEN: usize = 16;
/// The minimum length that the specification requires, in bytes. See [`Secret::is_short`].
pub const RECOMMENDED_LEN: usize = 24;

/// A shared secret of the `v1` scheme of Standard Webhooks 1.0.0, which requires 24 to 64 random bytes.
///
/// It can only sign and verify. Its bytes cannot be read back, `Debug` redacts them, and they are zeroed on drop.
///
/// ```
/// use countersign::{Secret, UnixTime};
///
/// let current = Secret::parse("whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=")?.labelled("2026-11");
/// // The previous secret, which stays valid for a day after a rotation:
/// let previous = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?
///     .labelled("2026-08")
///     .expiring_at(UnixTime::from_secs(1_795_262_400));
/// assert!(!format!("{current:?} {previous:?}").contains("NnZ2"));
/// # Ok::<(), countersign::secret::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    key: MacKey,
    len: usize,
    label: Option<String>,
    expires_at: Option<UnixTime>,
    doubt: Option<Doubt>,
}

impl Secret {
    /// Parses a secret as a sender shows it: an optional `whsec_`, then base64 of at least [`MIN_LEN`] bytes, in the
    /// standard or the URL-safe alphabet, with or without padding.
    ///
    /// Text that looks like something else is rejected, and the error says what it looks like. A secret that decodes to
    /// fewer bytes than intended could be guessed.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let secret = Self::from_bytes(&decode(text)?)?;
        let doubt = doubt::about_text(text.strip_prefix(PREFIX).unwrap_or(text)).or(secret.doubt);
        Ok(Self { doubt, ..secret })
    }

    /// Creates a secret from its decoded bytes. It needs at least [`MIN_LEN`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        if bytes.len() < MIN_LEN {
            return Err(SecretError::TooShort { len: bytes.len() });
        }
        let doubt = doubt::about_bytes(bytes);
        Ok(Self { key: MacKey::new(bytes), len: bytes.len(), label: None, expires_at: None, doubt })
    }

    /// Sets the label for [`Verified`](crate::Verified), logs and headers: 1 to 64 visible ASCII characters.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the expiry time. From this time on, the secret verifies nothing.
    #[must_use]
    pub fn expiring_at(mut self, at: UnixTime) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The label, if one is set.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The expiry time, if one is set.
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// Whether the secret has fewer than [`RECOMMENDED_LEN`] bytes. Show a warning if it does.
    pub fn is_short(&self) -> bool {
        self.len < RECOMMENDED_LEN
    }

    /// The reason why the secret is probably wrong or known to others, if there is one. Show it as a warning.
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    pub(crate) fn is_live(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }

    pub(crate) fn key(&self) -> &MacKey {
        &self.key
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("label", &self.label)
            .field("expires_at", &self.expires_at)
            .field("bytes", &format_args!("[{} redacted]", self.len))
            .finish()
    }
}

/// Encodes the bytes of a secret as `whsec_` and padded base64.
pub fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + bytes.len().div_ceil(3) * 4));
    text.push_str(PREFIX);
    STANDARD.encode_string(bytes, &mut text);
    text
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    if let Some(mistake) = recognise(text) {
        return Err(mistake);
    }
    decode_base64(text.strip_prefix(PREFIX).unwrap_or(text)).ok_or(SecretError::NotBase64)
}

fn recognise(text: &str) -> Option<SecretError> {
    let unquoted = text.trim_matches(['"', '\'', '`']);
    if text.trim().is_empty() {
        Some(SecretError::Empty)
    } else if text.contains(char::is_whitespace) {
        Some(SecretError::WhiteSpace)
    } else if unquoted != text {
        Some(SecretError::Quoted)
    } else if text.starts_with("v1,") || text.starts_with("v1a,") {
        Some(SecretError::VersionPrefix)
    } else if has_odd_prefix(text) {
        Some(SecretError::OddPrefix)
    } else if text.starts_with("whpk_") {
        Some(SecretError::PublicKey)
    } else if text.starts_with("whsk_") {
        Some(SecretError::PrivateKey)
    } else if text.contains("...") || text.contains('…') {
        Some(SecretError::Truncated)
    } else {
        None
    }
}

/// Whether the prefix is repeated or in upper case. It would be decoded as part of a wrong key.
fn has_odd_prefix(text: &str) -> bool {
    let text = text.strip_prefix(PREFIX).unwrap_or(text).as_bytes();
    let begins_with =
        |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    begins_with(PREFIX)
        || (["whpk_", "whsk_"].iter().any(|prefix| begins_with(prefix) && !text.starts_with(prefix.as_bytes())))
}

/// A text is not a valid secret. The error never contains the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is empty or only white space.
    Empty,
    /// The text contains white space or a newline.
    WhiteSpace,
    /// The text is in quotation marks.
    Quoted,
    /// The text starts with `v1,`, like a signature.
    VersionPrefix,
    /// The prefix `whsec_` is repeated or in upper case.
    OddPrefix,
    /// The text is a public key, `whpk_…`.
    PublicKey,
    /// The text is a private key, `whsk_…`.
    PrivateKey,
    /// The text is shortened, as an API shows a secret after it was created.
    Truncated,
    /// The text is not base64.
    NotBase64,
    /// The secret has fewer than [`MIN_LEN`] bytes.
    TooShort {
        /// The decoded length, in bytes.
        len: usize,
    },
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the secret is empty",
            Self::WhiteSpace => "the secret contains white space or a newline; remove it",
            Self::Quoted => "the secret is in quotation marks; remove them",
            Self::VersionPrefix => "the secret starts with `v1,`, which is the prefix of signatures; remove it",
            Self::OddPrefix => "the secret starts with a prefix that is repeated or in upper case; use a single `whsec_` in lower case",
            Self::PublicKey => "this is a public key (`whpk_`), not a secret; configure it as a public key",
            Self::PrivateKey => "this is a private key (`whsk_`), not a secret; only the sender may have it",
            Self::Truncated => {
                "the secret is truncated; senders show the full secret only once, when it is created or rotated"
            }
            Self::NotBase64 => "the secret is not base64; its form is `whsec_` and base64",
            Self::TooShort { len } => {
                return write!(
                    f,
                    "the secret decodes to {len} bytes, and fewer than {MIN_LEN} can be guessed; check that it is complete"
                );
            }
        })
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_in_every_spelling_that_senders_use() {
        for text in [
            "whsec_+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/",
            "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/",
            "whsec_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_",
            "whsec_AAAAAAAAAAAAAAAAAAAAAA==",
            "whsec_AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(Secret::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_pasted_by_mistake_is_named() {
        let good = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        for (text, error) in [
            (String::new(), SecretError::Empty),
            (" \n".into(), SecretError::Empty),
            (format!("{good}\n"), SecretError::WhiteSpace),
            (format!("\"{good}\""), SecretError::Quoted),
            (format!("v1,{good}"), SecretError::VersionPrefix),
            ("whpk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=".into(), SecretError::PublicKey),
            ("whsk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=".into(), SecretError::PrivateKey),
            (format!("whsec_{good}"), SecretError::OddPrefix),
            (good.replace("whsec_", "WHSEC_"), SecretError::OddPrefix),
            (good.replace("whsec_", "whsec_Whsec_"), SecretError::OddPrefix),
            ("whsec_...MnM=".into(), SecretError::Truncated),
            ("whsec_".into(), SecretError::TooShort { len: 0 }),
            ("whsec_AAAA".into(), SecretError::TooShort { len: 3 }),
            ("whsec_AAAAAAAAAAAAAAAAAAAA".into(), SecretError::TooShort { len: 15 }),
            ("whsec_+-+-+-+-+-+-+-+-+-+-+-+-".into(), SecretError::NotBase64),
            ("correct-horse-battery-staple!".into(), SecretError::NotBase64),
        ] {
            let refused = Secret::parse(&text).expect_err("must be refused");
            assert_eq!(refused, error, "{text:?}");
            assert!(text.trim().is_empty() || !refused.to_string().contains(text.trim()));
        }
    }

    #[test]
    fn a_secret_that_is_probably_not_the_one_that_was_meant_raises_a_doubt() {
        for (text, doubt) in [
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", Doubt::Published),
            ("NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM", Doubt::Published),
            ("whsec_your_webhook_signing_secret_here", Doubt::Placeholder),
            ("whsec_YOUR+SIGNING+SECRET+FOR+GEMINI==", Doubt::Placeholder),
            ("whsec_changemechangemechangeme", Doubt::Placeholder),
            ("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Doubt::Regular),
            ("whsec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", Doubt::Regular),
            ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", Doubt::Regular),
            ("whsec_cGFzc3dvcmRwYXNzd29yZHBhc3N3b3Jk", Doubt::Regular),
            ("9f86d081884c7d659a2feaa0c55ad015", Doubt::Hex),
            ("whsec_9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08", Doubt::Hex),
        ] {
            assert_eq!(Secret::parse(text).expect("base64").doubt(), Some(doubt), "{text}");
        }
        for (text, doubt) in [
            ("whsec_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv", Some(Doubt::EncodedTwice)),
            (" whsec_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv\n", Some(Doubt::EncodedTwice)),
            ("\"whsec_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv\"", Some(Doubt::EncodedTwice)),
            ("SECRET=whsec_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv", Some(Doubt::EncodedTwice)),
            ("{\"secret\":\"whsec_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv\"}", Some(Doubt::EncodedTwice)),
            ("WHSEC_PYBVTU5NTNOZFLBDSWZTAH9XIRDVBCTV", Some(Doubt::EncodedTwice)),
            ("w\0h\0s\0e\0c\0_\0p\0Y\0b\0V\0t\0u\x005\0n\0", Some(Doubt::EncodedTwice)),
            ("whsk_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv", Some(Doubt::EncodedTwice)),
            ("whpk_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv", Some(Doubt::EncodedTwice)),
            ("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA", Some(Doubt::EncodedTwice)),
            ("d2hzZWNfcFliVnR1NW5Ubk9aRmxCRFNXelRBaDl4aVJkVmJDVHY", Some(Doubt::EncodedTwice)),
            ("your-webhook-secret-here", Some(Doubt::Placeholder)),
            ("supersecretwebhookkey123", Some(Doubt::Placeholder)),
            ("pYbVtu5nTnOZ-lBDSWzTAh9x_RdVbCTv", Some(Doubt::EncodedText)),
            ("pYbVtu5nTnOZ-lBDSWzTAh9x_RdVbCTvAA", Some(Doubt::EncodedText)),
            ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Some(Doubt::EncodedText)),
            ("pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTvbCTvbCTvbCQ=", Some(Doubt::EncodedText)),
            // As Gemini makes them: 32 letters and digits.
            ("8wkq2z5937j9v6mqpf83odvqs5cpzq9r", None),
            ("Pq7kZm2WtR9vXc4LhJ8nYb3FdG6sQa1E", None),
        ] {
            assert_eq!(Secret::parse(&encode(text.as_bytes())).expect("base64").doubt(), doubt, "{text}");
        }
        for text in ["whsec_pYbVtu5nTnOZFlBDSWzTAh9xiRdVbCTv", "whsec_q+3kf0PZc1c2nV6gTg0Lsw=="] {
            assert_eq!(Secret::parse(text).expect("base64").doubt(), None, "{text}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a good secret").labelled("old");
        assert_eq!(format!("{secret:?}"), r#"Secret { label: Some("old"), expires_at: None, bytes: [24 redacted] }"#);
    }

    #[test]
    fn encoding_is_the_inverse_of_decoding() {
        let text = encode(&[7; 24]);
        assert_eq!(*decode(&text).expect("own text"), [7; 24]);
    }
}
