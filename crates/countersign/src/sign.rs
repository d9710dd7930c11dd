//! The sender's half: what tests, the command line and the emulator sign with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};

use crate::clock::UnixTime;
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::secret::Secret;
use crate::verdict::MessageId;
use crate::verify::MAX_SECRETS;

/// Signs deliveries with one secret, or in a rotation with several.
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
}

impl Signer {
    /// Signs with each of these secrets, one at least.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, SignerError> {
        let secrets: Vec<_> = secrets.into_iter().collect();
        if (1..=MAX_SECRETS).contains(&secrets.len()) { Ok(Self { secrets }) } else { Err(SignerError) }
    }

    /// The three headers of a delivery of `body` that is sent at `now`: a signature with every
    /// secret that has not expired by then.
    pub fn sign(&self, id: &MessageId, now: UnixTime, body: &[u8]) -> HeaderMap {
        let timestamp = now.as_secs().to_string();
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let live = self.secrets.iter().filter(|secret| secret.is_live(now));
        let entries: Vec<_> =
            live.map(|secret| format!("v1,{}", STANDARD.encode(secret.key().tag(&signed).as_bytes()))).collect();
        HeaderMap::from_iter([
            (WEBHOOK_ID, id.to_header_value()),
            (WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_secs())),
            (WEBHOOK_SIGNATURE, ascii(&entries.join(" "))),
        ])
    }
}

fn ascii(text: &str) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "base64, commas and spaces may stand in a header")]
    HeaderValue::from_str(text).expect("visible ASCII")
}

/// A signer needs one secret at least and [`MAX_SECRETS`] at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerError;

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signer takes 1 to {MAX_SECRETS} secrets")
    }
}

impl std::error::Error for SignerError {}
