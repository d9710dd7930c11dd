//! Decides whether a webhook may be trusted.
//!
//! The core of countersign is a function: the head of a request, its body, the time and the keys
//! go in, a verdict comes out. It does no I/O, reads no clock unless it is handed one, and knows no
//! runtime and no HTTP status; [`countersign-tower`] puts it into a service and
//! `countersign-gateway` in front of one.
//!
//! It speaks [Standard Webhooks] 1.0.0 and knows Gemini API webhooks in detail.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{Secret, UnixTime, Verifier};
//! use http::HeaderMap;
//!
//! let verifier = Verifier::builder("example")
//!     .secret(Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?)
//!     .build()?;
//!
//! // The vector that the Standard Webhooks project publishes.
//! let mut headers = HeaderMap::new();
//! headers.insert("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".parse()?);
//! headers.insert("webhook-timestamp", "1649367553".parse()?);
//! headers.insert("webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=".parse()?);
//! let body = Bytes::from_static(br#"{"email":"test@example.com","username":"test_user"}"#);
//!
//! let attempt = verifier.begin(&headers, UnixTime::from_secs(1_649_367_553))?; // no body needed yet
//! let verified = attempt.finish(body)?;
//! assert_eq!(verified.message_id().as_str(), "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//! [`countersign-tower`]: https://docs.rs/countersign-tower

#![deny(missing_docs)]

pub mod clock;
mod crypto;
mod encoding;
mod event_type;
pub mod filter;
#[cfg(feature = "gemini")]
pub mod gemini;
pub mod header;
mod json;
pub mod key;
pub mod key_source;
pub mod message_id;
mod name;
pub mod rejection;
pub mod replay;
mod scheme;
pub mod secret;
#[cfg(feature = "sign")]
pub mod sign;
pub mod verdict;
pub mod verifier;
pub mod verify;
mod work;

pub use clock::{Clock, ClockReading, ManualClock, SystemClock, UnixTime};
pub use filter::EventFilter;
#[cfg(feature = "gemini")]
pub use gemini::Event;
pub use key::{KeySet, PublicKey};
pub use key_source::{KeySource, Refreshed};
pub use message_id::MessageId;
pub use rejection::{Reason, Rejection};
pub use replay::{MemoryStore, ReplayStore};
pub use secret::Secret;
#[cfg(feature = "sign")]
pub use sign::{PrivateKey, Signer, TokenSigner};
pub use verdict::{Scheme, Verified};
pub use verifier::{TokenPolicy, Verifier};
pub use verify::Attempt;
