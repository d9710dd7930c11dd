//! Signs a delivery with secrets and private keys.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};

use super::ascii::ascii;
use super::private_key::PrivateKey;
use crate::clock::UnixTime;
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::message_id::MessageId;
use crate::secret::Secret;

/// The most keys that a [`Signer`] can have.
pub const MAX_KEYS: usize = 8;

/// Signs deliveries with secrets (`v1`), private keys (`v1a`) or both. During a rotation it has several keys.
///
/// ```
/// use countersign::sign::Signer;
/// use countersign::{MessageId, Secret, UnixTime};
///
/// let signer = Signer::new([Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?])?;
/// let id = MessageId::parse("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk")?;
/// let body = br#"{"email":"test@example.com","username":"test_user"}"#;
///
/// let headers = signer.sign(&id, UnixTime::from_secs(1_649_367_553), body);
/// assert_eq!(headers["webhook-signature"], "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Signer {
    secrets: Vec<Secret>,
    private_keys: Vec<PrivateKey>,
}

impl Signer {
    /// Creates a signer that signs with each of these secrets. It needs 1 to [`MAX_KEYS`] of them.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, SignerError> {
        Self { secrets: secrets.into_iter().collect(), private_keys: Vec::new() }.checked()
    }

    /// Creates a signer that signs with each of these secrets and private keys. It needs 1 to [`MAX_KEYS`] of them.
    #[cfg(feature = "v1a")]
    pub fn with_keys(
        secrets: impl IntoIterator<Item = Secret>,
        private_keys: impl IntoIterator<Item = PrivateKey>,
    ) -> Result<Self, SignerError> {
        Self { secrets: secrets.into_iter().collect(), private_keys: private_keys.into_iter().collect() }.checked()
    }

    fn checked(self) -> Result<Self, SignerError> {
        let keys = self.secrets.len() + self.private_keys.len();
        if (1..=MAX_KEYS).contains(&keys) { Ok(self) } else { Err(SignerError) }
    }

    /// Returns the three headers for `body`, sent at `now`. Every private key signs, and every secret that has not
    /// expired at that time.
    pub fn sign(&self, id: &MessageId, now: UnixTime, body: &[u8]) -> HeaderMap {
        let timestamp = now.as_secs().to_string();
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let live = self.secrets.iter().filter(|secret| secret.is_live(now));
        let v1 = live.map(|secret| format!("v1,{}", STANDARD.encode(secret.key().tag(&signed).as_bytes())));
        let message = if self.private_keys.is_empty() { Vec::new() } else { signed.concat() };
        let v1a = self.private_keys.iter().map(|key| format!("v1a,{}", STANDARD.encode(key.sign(&message))));
        let entries: Vec<_> = v1.chain(v1a).collect();
        HeaderMap::from_iter([
            (WEBHOOK_ID, id.to_header_value()),
            (WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_secs())),
            (WEBHOOK_SIGNATURE, ascii(&entries.join(" "))),
        ])
    }
}

/// A signer needs 1 to [`MAX_KEYS`] keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerError;

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signer needs 1 to {MAX_KEYS} keys")
    }
}

impl std::error::Error for SignerError {}
