//! Events of Gemini API webhooks, parsed from verified bodies only.
//!
//! Events are small: they say what happened and where the result is. Unknown types and undocumented fields are kept.
//! A body that is not an event returns an [`EventError`], although the webhook is authentic.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::gemini::EventKind;
//! use countersign::sign::Signer;
//! use countersign::{MessageId, Secret, UnixTime, Verifier};
//!
//! # let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let verifier = Verifier::builder("gemini").secret(secret.clone()).build()?;
//! # let (id, now) = (MessageId::parse("msg_1")?, UnixTime::from_secs(1_795_176_000));
//! let body = br#"{"type":"batch.failed","data":{"id":"batch_1","error_code":8}}"#;
//! # let headers = Signer::new([secret])?.sign(&id, now, body);
//! let verified = verifier.begin(&headers, now)?.finish(Bytes::from_static(body))?;
//! let event = verified.event()?;
//! assert_eq!(event.kind, EventKind::BatchFailed);
//! assert_eq!(event.data.error_code.as_deref(), Some("8"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod event;
mod kind;

pub use event::{Event, EventData, EventError};
pub use kind::EventKind;

use crate::verdict::Verified;

impl Verified {
    /// Parses the verified body as an event.
    pub fn event(&self) -> Result<Event, EventError> {
        Event::parse(self.body())
    }
}
