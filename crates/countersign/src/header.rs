//! The names of the three webhook headers, in lower case (Standard Webhooks 1.0.0).

use http::HeaderName;

/// The message id. It is the same on every attempt. [`MessageId`](crate::MessageId) describes the valid values.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was signed: the seconds since the Unix epoch, as decimal digits only.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signatures: a space-delimited list of `version,base64` entries, at most 32 entries and 16 KiB, or one token of
/// at most 64 KiB.
pub const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
