//! Verifies webhooks: [Standard Webhooks] 1.0.0, and Gemini API webhooks in detail.
//!
//! The core of countersign is a function. Its input is the request headers, the body, the time and the keys. It returns
//! proof that the webhook is authentic and recent, or the reason for rejecting it. It does no I/O, reads the clock only
//! through [`Clock`](clock::Clock), and needs no async runtime. [`countersign-tower`] uses it in a service, and `countersign-gateway`
//! in front of one.
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
//! // The example that the Standard Webhooks project publishes.
//! let mut headers = HeaderMap::new();
//! headers.insert("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".parse()?);
//! headers.insert("webhook-timestamp", "1649367553".parse()?);
//! headers.insert("webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=".parse()?);
//! let body = Bytes::from_static(br#"{"email":"test@example.com","username":"test_user"}"#);
//!
//! let attempt = verifier.begin(&headers, UnixTime::from_secs(1_649_367_553))?; // needs no body
//! let verified = attempt.finish(body)?;
//! assert_eq!(verified.message_id().as_str(), "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The types at the root configure verification and describe its result. The rest is in modules:
//!
//! | module | contains |
//! | --- | --- |
//! | [`verify`] | verification in two steps, before and after the body is read |
//! | [`replay`] | the contract of replay stores, and the store in memory |
//! | [`key_source`] | keys that change at run time |
//! | [`filter`] | filters for event types |
//! | [`clock`] | the clocks |
//! | `gemini` | the events of Gemini API webhooks |
//! | `sign` | signing |
//! | [`secret`], [`key`], [`message_id`], [`header`] | what is read from texts and headers, and the errors |
//! | [`verifier`], [`verdict`], [`rejection`] | limits, schemes and reasons |
//!
//! # Features
//!
//! `v1` (HMAC-SHA256) is always available. The default features add all that a receiver of Gemini webhooks needs:
//! dynamic Gemini webhooks are signed with `v1a` or carry an RS256 token.
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `v1a` | yes | Ed25519 signatures |
//! | `rs256` | yes | RS256 tokens; AWS-LC is built from C |
//! | `gemini` | yes | the events of Gemini API webhooks |
//! | `sign` | no | signing, for senders and tests |
//! | `conformance` | no | tests for your own replay store |
//!
//! With `default-features = false`, a `v1` receiver builds without a C compiler.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//! [`countersign-tower`]: https://docs.rs/countersign-tower

#![deny(missing_docs)]

pub mod clock;
mod crypto;
mod encoding;
mod event_type;
pub mod filter;
#[cfg(all(feature = "fuzzing", feature = "rs256"))]
#[doc(hidden)]
pub mod fuzzing;
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
#[cfg(feature = "rs256")]
mod token_policy;
pub mod verdict;
pub mod verifier;
pub mod verify;
mod work;

pub use clock::UnixTime;
pub use key::KeySet;
#[cfg(feature = "v1a")]
pub use key::PublicKey;
pub use message_id::MessageId;
pub use rejection::{Reason, Rejection};
pub use secret::Secret;
pub use verdict::Verified;
#[cfg(feature = "rs256")]
pub use verifier::TokenPolicy;
pub use verifier::Verifier;
