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

/// Signs deliveries with one key, or in a rotation with several: secrets (`v1`), private keys (`v1a`),
/// or both.
///
/// ```
/// use countersign::{MessageId, Secret, Signer, UnixTime};
///
/// let signer = Signer::new([Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?])?;
/// let id = MessageId::parse("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk").expect("a good id");
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
    /// Signs with each of these secrets, one at least.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, SignerError> {
        Self::with_keys(secrets, [])
    }

    /// Signs with each of these secrets and private keys, one at least of either.
    pub fn with_keys(
        secrets: impl IntoIterator<Item = Secret>,
        private_keys: impl IntoIterator<Item = PrivateKey>,
    ) -> Result<Self, SignerError> {
        let signer = Self { secrets: secrets.into_iter().collect(), private_keys: private_keys.into_iter().collect() };
        let keys = signer.secrets.len() + signer.private_keys.len();
        if (1..=MAX_KEYS).contains(&keys) { Ok(signer) } else { Err(SignerError) }
    }

    /// The three headers of a delivery of `body` that is sent at `now`: a signature with every
    /// private key, and with every secret that has not expired by then.
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

/// A signer needs one key at least and [`MAX_KEYS`] at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerError;

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signer takes 1 to {MAX_KEYS} keys")
    }
}

impl std::error::Error for SignerError {}
